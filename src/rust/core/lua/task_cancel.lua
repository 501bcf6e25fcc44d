-- Cancel tasks. Waiting tasks end at once; for running tasks, the worker is told to stop them.
-- Tasks that have ended keep their status, so repeating it changes nothing.
-- KEYS: tasks counters
-- ARGV: key prefix, rules that replace those of all given tasks ('' keeps them), ids
-- Returns: one text with the status of each, '-' when there is no such task.
local tasks, counters = unpack(KEYS)
local prefix, rules = ARGV[1], ARGV[2]
local us, events, codes = now_us(), {}, {}

-- include: _end.lua
-- include: _worker_keys.lua
-- The entry only wakes the worker's control thread: the headers say what to stop.
local function ask_to_stop(id, header)
  add_flag(header, FLAG_CANCEL)
  local control = worker_key(header.worker, WORKER.control)
  if not redis.call('LPOS', control, 'cancel') then
    redis.call('RPUSH', control, 'cancel')
  end
end

-- Let a task that has ended expire by its new rules.
local function expire_by_rules(id, header)
  write_header(tasks, id, header)
  make_due(us + 1000 * read_rules(header)[R_TTL], DUE.EXPIRY, id)
end

-- Last one first: cancelling a dependency before the tasks after it would make them IMPOSSIBLE.
for i = #ARGV, 3, -1 do
  local id = ARGV[i]
  local header = load_header(tasks, id)
  local status = header and header.status or '-'
  local has_rules = rules ~= '' and header and status ~= MOVED
  if has_rules then
    header.rules = rules
  end
  if status == PENDING or status == DEFERRED then
    if is_queued(header) then
      leave_queue(header.queue, 1)
    elseif has_flag(header, FLAG_SCHEDULED) then
      unschedule(id, header)
    end
    end_task(id, header, CANCELLED, us, events)
    status = CANCELLED
  elseif status == RUNNING then
    if not has_flag(header, FLAG_CANCEL) then
      ask_to_stop(id, header)
    end
    write_header(tasks, id, header)
  elseif has_rules then
    expire_by_rules(id, header)
  end
  codes[i - 2] = status
end
send_events(prefix, events)
return table.concat(codes)
