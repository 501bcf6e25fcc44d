-- A worker's process starts again and keeps its registration: it counts as starting for some time.
-- The task named ends with the status named, or is tried again; what else it has begun and not
-- reported has died, and what it has not begun goes back.
--
-- It is numbered like a step. So the old process and the new one may both send it, because the server
-- may not have answered the old one, and a late copy of it, or of a step of the old process, is refused.
-- KEYS: workers tasks counters due log
-- ARGV: worker id, incarnation, sequence, reason, key prefix, ms it has to start, a task id or '', its
--       status, ids of the tasks begun and not reported
-- Returns: 1, or 0 when it is not registered any more.
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
-- The new process goes on counting from here.
record.state, record.sequence = 'STARTING', sequence
renew_lease(id, record, math.floor(us / 1000) + math.max(start_ms, record.lease_ms))
write_worker(id, record)
return 1
