-- A worker's process starts again and keeps its registration: it counts as starting for some time.
-- What it ran ends, the task named with the status named, or is tried again. Repeating it changes nothing.
-- KEYS: workers tasks counters due log
-- ARGV: worker id, incarnation, reason, key prefix, ms it has to start, a task id or '', its status
-- Returns: 1, or 0 when it is not registered any more.
local workers, tasks, counters, due, log = unpack(KEYS)
local id, incarnation, reason, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local start_ms, task, status = tonumber(ARGV[5]), ARGV[6], ARGV[7]

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
elseif record.state == 'STARTING' then
  return 1
end
-- include: _held.lua
end_lease(id)
local us, lines, events = now_us(), {}, {}
if task ~= '' then
  resolve_task(id, task, status, us, events, lines)
end
resolve_held(id, record, us, events, lines)
log_line(lines, us, 'RESTART', reason)
write_log(log, lines)
send_events(prefix, events)
-- The new process counts its steps from the beginning.
record.state, record.sequence = 'STARTING', 0
renew_lease(id, record, math.floor(us / 1000) + math.max(start_ms, record.lease_ms))
write_worker(id, record)
return 1
