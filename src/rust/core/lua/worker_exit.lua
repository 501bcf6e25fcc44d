-- A worker exits: tasks it has begun and not reported die with it; everything else that it held goes back,
-- including tasks of a reply that never reached it. Its messages are dropped.
-- KEYS: workers tasks counters due, and those of the worker that _leave.lua names: log messages marker
--       heartbeat control
-- ARGV: worker id, incarnation, reason, key prefix, ids of the tasks begun and not reported
-- Returns: 1, or 0 when it had already exited.
local workers, tasks, counters, due = unpack(KEYS)
local id, incarnation, reason, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FIRST_ID = 5

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
end
local us, events = now_us(), {}
-- include: _leave.lua
end_lease(id)
local notes = { { 'STOP', reason } }
if reason == 'killed' then
  table.insert(notes, 1, { 'REMOTE', 'kill' })
end
leave(id, record, 'EXITED', notes, id_set(ARGV, FIRST_ID))
send_events(prefix, events)
return 1
