-- Declare a worker lost before its lease expires, because its process has ended. Only the registration
-- made by that process counts, never a later one of the same name. Repeating it changes nothing.
-- KEYS: workers tasks counters due
-- ARGV: key prefix, worker id, token of the process
-- Returns: the state the worker is in now, or false when the process has no registration.
local workers, tasks, counters, due = unpack(KEYS)
local prefix, id, process = ARGV[1], ARGV[2], ARGV[3]
local us, events = now_us(), {}

-- include: _leave.lua
local record = read_worker(id)
if not record or string.sub(record.nonce, 1, #process) ~= process then
  return false
end
if is_active(record) then
  end_lease(id)
  lose_worker(id, record)
  send_events(prefix, events)
end
return record.state
