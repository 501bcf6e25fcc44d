-- A worker restarts its process and keeps its registration: it counts as STARTING for some time. The given
-- task ends with the given status, or is retried; other tasks it has begun and not reported have died, and
-- those it has not begun go back.
--
-- It is numbered like a step. So both the old process and the new one may send it, in case the server has
-- not replied to the old one, and a late copy of it, or of a step of the old process, is rejected.
-- KEYS: workers tasks counters due log
-- ARGV: worker id, incarnation, sequence, reason, key prefix, ms it has to start, a task id or '', its
--       status, ids of the tasks begun and not reported
-- Returns: 1, or 0 when it is no longer registered.
local workers, tasks, counters, due, log = unpack(KEYS)
local id, incarnation, sequence, reason = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local prefix, start_ms, task, status = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]
local FIRST_ID = 9

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
elseif sequence <= record.sequence then
  return 1
end
-- include: _held.lua
end_lease(id)
local us, lines, events = now_us(), {}, {}
if task ~= '' then
  resolve_task(id, task, status, us, events, lines)
end
resolve_held(id, record, us, events, lines, id_set(ARGV, FIRST_ID))
log_line(lines, us, 'RESTART', reason)
write_log(log, lines)
send_events(prefix, events)
-- The new process continues to count from here.
record.state, record.sequence = 'STARTING', sequence
renew_lease(id, record, math.floor(us / 1000) + math.max(start_ms, record.lease_ms))
write_worker(id, record)
return 1
