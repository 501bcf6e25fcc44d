-- A worker leaves: what it still held has died with it, its messages are dropped.
-- KEYS: w t n due log messages wake heartbeat control
-- ARGV: worker id, incarnation, reason, key prefix
-- Returns: 1, or 0 when it had left before.
local workers, tasks, counters, due, log, messages, wake, heartbeat, control = unpack(KEYS)
local id, incarnation, reason, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation then
  return 0
end
-- include: _end.lua
-- First, for the reason given in worker_beat.lua.
redis.call('ZREM', due, 'L:' .. id)
local us, lines, events = now_us(), {}, {}
end_held({ t = tasks, n = counters, prefix = prefix }, id, record, us, events, lines)
if reason == 'killed' then
  log_line(lines, us, 'REMOTE', 'kill')
end
log_line(lines, us, 'STOP', reason)
write_log(log, lines)
send_events(prefix, events)
record[W_STATE] = 'EXITED'
write_worker(workers, id, record)
redis.call('DEL', messages, wake, heartbeat, control)
return 1
