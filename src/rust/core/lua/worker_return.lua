-- Hand back tasks that were claimed in a batch but not started: to the front, no attempt counted.
-- One that was to be cancelled meanwhile ends.
-- KEYS: workers tasks counters
-- ARGV: worker id, incarnation, key prefix, ids
-- Returns: how many it does not hold any more.
local workers, tasks, counters = KEYS[1], KEYS[2], KEYS[3]
local id, incarnation, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3]

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
end
-- include: _end.lua
-- include: _worker_keys.lua
local us, events, lines = now_us(), {}, {}
local returned, cancelled = 0, 0
for i = #ARGV, 4, -1 do
  local task = ARGV[i]
  local header = load_header(tasks, task)
  local is_held = header and header.status == RUNNING and header.worker == id
  if is_held and has_flag(header, FLAG_CANCEL) then
    end_task(task, header, CANCELLED, us, events)
    log_line(lines, us, 'TASK_CANCELLED', task)
    release_held(record, task)
    cancelled = cancelled + 1
  elseif is_held then
    header.status, header.attempt = PENDING, digits(header.attempt - 1)
    header.worker, header.start = '', '0'
    write_header(tasks, task, header)
    requeue(header.queue, { task })
    release_held(record, task)
    returned = returned + 1
  end
end
count_status(counters, PENDING, returned)
count_status(counters, RUNNING, -returned)
write_worker(id, record)
write_log(worker_key(id, WORKER.log), lines)
send_events(prefix, events)
return returned + cancelled
