-- Renew a worker's lease, also when the server is out of memory or R computes for hours.
-- KEYS: w due heartbeat
-- ARGV: worker id, incarnation
-- Returns: 1, or 0 when it is no longer registered.
local workers, due, heartbeat = unpack(KEYS)
local id, incarnation = ARGV[1], tonumber(ARGV[2])

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation then
  return 0
end
-- Before Redis 7 a script may write at maxmemory only after a first write that frees memory.
redis.call('ZREM', due, 'L:' .. id)
record[W_LEASE] = math.floor(now_us() / 1000) + record[W_EXPIRE]
write_worker(workers, id, record)
redis.call('ZADD', due, record[W_LEASE], 'L:' .. id)
redis.call('SET', heartbeat, incarnation, 'PX', record[W_EXPIRE])
return 1
