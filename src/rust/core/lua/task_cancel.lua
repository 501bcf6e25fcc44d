-- Cancel tasks. Those that wait end at once; for those that run their worker is asked to stop them.
-- Tasks that have ended keep their status, so repeating it changes nothing.
-- KEYS: t n
-- ARGV: key prefix, rules that replace those of all given tasks ('' keeps them), ids
-- Returns: one text with the status of each, '-' when there is no such task.
local tasks, counters = unpack(KEYS)
local prefix, rules = ARGV[1], ARGV[2]
local keys, us, events, codes = { t = tasks, n = counters, prefix = prefix }, now_us(), {}, {}

-- include: _end.lua
-- include: _waiting.lua
-- The marker only wakes the worker's control thread: what to stop stands in the headers.
local function ask_to_stop(id, header)
  add_flag(header, FLAG_CANCEL)
  local control = prefix .. 'w:' .. header[H_WORKER] .. ':ctl'
  if not redis.call('LPOS', control, 'cancel') then
    redis.call('RPUSH', control, 'cancel')
  end
end

-- Let a task that has ended expire by its new rules.
local function expire_by_rules(id, header)
  write_header(tasks, id, header)
  make_due(prefix, us + 1000 * read_rules(header)[R_TTL], 'X:' .. id)
end

-- The last first: tasks come after those they depend on, which would make them IMPOSSIBLE.
for i = #ARGV, 3, -1 do
  local id = ARGV[i]
  local header = read_header(redis.call('HGET', tasks, id))
  local status = header and header[H_STATUS] or '-'
  local has_rules = rules ~= '' and header and status ~= MOVED
  if has_rules then
    header[H_RULES] = rules
  end
  if status == PENDING or status == DEFERRED then
    if is_queued(header) then
      leave_queue(prefix, counters, header[H_QUEUE], 1)
    elseif has_flag(header, FLAG_SCHEDULED) then
      redis.call('ZREM', prefix .. 'due', 'S:' .. id)
      leave_queue(prefix, counters, header[H_QUEUE], 0)
      drop_flag(header, FLAG_SCHEDULED)
    end
    end_task(keys, id, header, CANCELLED, us, events)
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
