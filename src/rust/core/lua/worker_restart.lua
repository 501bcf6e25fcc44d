-- A worker's process starts anew and keeps its registration: it counts as starting for some time.
-- What it ran ends, the task named with the status named, or is tried again. Repeating it changes nothing.
-- KEYS: w t n due log
-- ARGV: worker id, incarnation, reason, key prefix, ms it has to start, a task id or '', its status
-- Returns: 1, or 0 when it is not registered any more.
local workers, tasks, counters, due, log = unpack(KEYS)
local id, incarnation, reason, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local start_ms, task, status = tonumber(ARGV[5]), ARGV[6], ARGV[7]

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation then
  return 0
elseif record[W_STATE] == 'STARTING' then
  return 1
end
-- include: _end.lua
-- First, for the reason given in worker_beat.lua.
redis.call('ZREM', due, 'L:' .. id)
local keys = { t = tasks, n = counters, prefix = prefix }
local us, lines, events = now_us(), {}, {}
if task ~= '' then
  end_one(keys, id, task, status, us, events, lines)
end
end_held(keys, id, record, us, events, lines)
log_line(lines, us, 'RESTART', reason)
write_log(log, lines)
send_events(prefix, events)
-- The new process counts its steps from the beginning.
record[W_STATE], record[W_SEQ] = 'STARTING', 0
record[W_LEASE] = math.floor(us / 1000) + math.max(start_ms, record[W_EXPIRE])
write_worker(workers, id, record)
redis.call('ZADD', due, record[W_LEASE], 'L:' .. id)
return 1
