-- Hand back tasks that were claimed in a batch but not started: to the front, no attempt counted.
-- One that was to be cancelled meanwhile ends.
-- KEYS: w t n
-- ARGV: worker id, incarnation, key prefix, ids
-- Returns: how many it does not hold any more.
local workers, tasks, counters = KEYS[1], KEYS[2], KEYS[3]
local id, incarnation, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation then
  return 0
end
-- include: _end.lua
local keys, us, events, lines = { t = tasks, n = counters, prefix = prefix }, now_us(), {}, {}
local returned, cancelled = 0, 0
for i = #ARGV, 4, -1 do
  local task = ARGV[i]
  local header = read_header(redis.call('HGET', tasks, task))
  local is_held = header and header[H_STATUS] == RUNNING and header[H_WORKER] == id
  if is_held and has_flag(header, FLAG_CANCEL) then
    end_task(keys, task, header, CANCELLED, us, events)
    log_line(lines, us, 'TASK_CANCELLED', task)
    release_held(record, task)
    cancelled = cancelled + 1
  elseif is_held then
    header[H_STATUS], header[H_ATTEMPT] = PENDING, digits(header[H_ATTEMPT] - 1)
    header[H_WORKER], header[H_START] = '', '0'
    write_header(tasks, task, header)
    redis.call('LPUSH', prefix .. 'q:' .. header[H_QUEUE], task)
    redis.call('ZADD', prefix .. 'k:' .. header[H_QUEUE], 0, 'w')
    count(counters, 'q:' .. header[H_QUEUE], 1)
    release_held(record, task)
    returned = returned + 1
  end
end
count(counters, 's:PENDING', returned)
count(counters, 's:RUNNING', -returned)
write_worker(workers, id, record)
write_log(prefix .. 'w:' .. id .. ':log', lines)
send_events(prefix, events)
return returned + cancelled
