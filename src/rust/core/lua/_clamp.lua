-- Leases that end much later than they last: the server's clock was ahead when they were renewed, and was set
-- back since. A worker that lives renews its lease soon; one that does not would count as alive for as long
-- as the clock was ahead. Uses workers and due of the script.

-- include: _record.lua

-- A process that restarts has a minute, whatever its lease.
local FAR_MS = 120000

-- Look at a few leases, chosen at random.
local function clamp_leases(n, ms)
  local some = redis.call('HRANDFIELD', workers, n)
  local leases = {}
  for i, id in ipairs(some) do
    leases[i] = DUE.LEASE .. id
  end
  for i, ends in ipairs(#some > 0 and redis.call('ZMSCORE', due, unpack(leases)) or {}) do
    local record = ends and ends - ms > FAR_MS and read_worker(some[i])
    if is_active(record) and ends - ms > 4 * record.lease_ms then
      renew_lease(some[i], record, ms + record.lease_ms)
      write_worker(some[i], record)
    end
  end
end
