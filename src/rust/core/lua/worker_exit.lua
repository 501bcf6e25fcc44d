-- A worker leaves: what it has begun and not reported has died with it, everything else that it held
-- goes back, also what was claimed for it and never reached it. Its messages are dropped.
-- KEYS: workers tasks counters due log messages marker heartbeat control
-- ARGV: worker id, incarnation, reason, key prefix, ids of the tasks begun and not reported
-- Returns: 1, or 0 when it had left before.
local workers, tasks, counters, due, log, messages, marker, heartbeat, control = unpack(KEYS)
local id, incarnation, reason, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FIRST_ID = 5

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
end
-- include: _held.lua
end_lease(id)
local us, lines, events = now_us(), {}, {}
resolve_held(id, record, us, events, lines, id_set(ARGV, FIRST_ID))
if reason == 'killed' then
  log_line(lines, us, 'REMOTE', 'kill')
end
log_line(lines, us, 'STOP', reason)
write_log(log, lines)
send_events(prefix, events)
record.state = 'EXITED'
write_worker(id, record)
redis.call('DEL', messages, marker, heartbeat, control)
return 1
