-- Register a worker under a name nobody alive has. Repeating it with the same nonce changes nothing.
-- KEYS: w wi n due log t heartbeat
-- ARGV: worker id, nonce, lease in ms, information, key prefix
-- Returns: its incarnation, or 0 when the name is taken.
local workers, infos, counters, due, log, tasks, heartbeat = unpack(KEYS)
local id, nonce, lease_ms, info, prefix = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

local us = now_us()
local record = read_worker(workers, id)
if record and record[W_NONCE] == nonce then
  return record[W_INC]
end
if is_active(record) and record[W_LEASE] > us / 1000 then
  return 0
end

local incarnation = redis.call('HINCRBY', counters, 'incarnation', 1)
local lease = math.floor(us / 1000) + lease_ms
-- Between the end of a lease and the sweep, a worker that takes the name again finds tasks held by it.
-- include: _end.lua
if record then
  local events, lines = {}, {}
  end_held({ t = tasks, n = counters, prefix = prefix }, id, record, us, events, lines)
  write_log(log, lines)
  send_events(prefix, events)
end
write_worker(workers, id, { incarnation, 0, 'STARTING', '', lease, lease_ms, nonce })
redis.call('HSET', infos, id, info)
redis.call('ZADD', due, lease, 'L:' .. id)
redis.call('SET', heartbeat, incarnation, 'PX', lease_ms)
return incarnation
