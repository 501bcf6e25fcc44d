-- Hand back tasks that were claimed in a batch but not begun: to the front, without counting an attempt.
-- Tasks to be cancelled end. Repeating it changes nothing: the worker sends no step until it is answered,
-- and after its next step, which may claim the same tasks again, a late copy is rejected by its sequence
-- number.
-- KEYS: workers tasks counters
-- ARGV: worker id, incarnation, sequence of its last step, key prefix, ids
-- Returns: how many it no longer holds.
local workers, tasks, counters = KEYS[1], KEYS[2], KEYS[3]
local id, incarnation, sequence, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local FIRST_ID = 5

-- include: _record.lua
local record = registered(id, incarnation)
if not record or record.sequence ~= sequence then
  return 0
end
-- include: _held.lua
-- include: _worker_keys.lua
local us, events, lines = now_us(), {}, {}
local returned = hand_back(id, { unpack(ARGV, FIRST_ID) }, us, events, lines)
for _, task in ipairs(returned) do
  release_held(record, task)
end
write_worker(id, record)
write_log(worker_key(id, WORKER.log), lines)
send_events(prefix, events)
return #returned
