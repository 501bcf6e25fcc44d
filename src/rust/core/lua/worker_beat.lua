-- Renew a worker's lease, even when the server is out of memory, and look at the leases of a few others.
-- KEYS: workers due heartbeat
-- ARGV: worker id, incarnation
-- Returns: 1, or 0 when it is no longer registered.
local workers, due, heartbeat = unpack(KEYS)
local id, incarnation = ARGV[1], tonumber(ARGV[2])

-- include: _clamp.lua
local SAMPLE = 4
local record = registered(id, incarnation)
if not record then
  return 0
end
end_lease(id)
local ms = math.floor(now_us() / 1000)
renew_lease(id, record, ms + record.lease_ms)
write_worker(id, record)
clamp_leases(SAMPLE, ms)
redis.call('SET', heartbeat, incarnation, 'PX', record.lease_ms)
return 1
