-- Register a worker under a name that no live worker has. Repeating it with the same nonce changes nothing,
-- even if the worker has exited and its record was deleted since.
-- KEYS: workers worker_infos counters due log tasks heartbeat config
-- ARGV: worker id, nonce, lease in ms, information, key prefix
-- Returns: its incarnation, 0 when the name is taken, or -1 when the queue no longer exists.
local workers, infos, counters, due, log, tasks, heartbeat, config = unpack(KEYS)
local id, nonce, lease_ms, info, prefix = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local token, number = nonce, 1

-- include: _record.lua
-- include: _submitter.lua
if not queue_exists(config) then
  return -1
end
local us, events = now_us(), {}
local record = read_worker(id)
if record and record.nonce == nonce then
  return record.incarnation
end
if is_active(record) and record.lease > us / 1000 or is_copy(redis.call('HGET', config, submitter)) then
  return 0
end
record_request(us)

local incarnation = redis.call('HINCRBY', counters, FIELD.INCARNATION, 1)
-- Between the end of a lease and the sweep, a worker that takes the same name finds what belonged to the
-- other one: tasks, and messages such as STOP.
-- include: _leave.lua
if is_active(record) then
  lose_worker(id, record)
  send_events(prefix, events)
end
record = { incarnation = incarnation, sequence = 0, state = 'STARTING', held = '',
           lease_ms = lease_ms, nonce = nonce, n_open = 0 }
renew_lease(id, record, math.floor(us / 1000) + lease_ms)
write_worker(id, record)
redis.call('HSET', infos, id, info)
redis.call('SET', heartbeat, incarnation, 'PX', lease_ms)
local lines = {}
log_line(lines, us, 'HEARTBEAT', heartbeat)
log_line(lines, us, 'HEARTBEAT', 'OK')
write_log(log, lines)
return incarnation
