-- Write something that changes nothing, so that the server can tell when all that was written before is
-- on its disk or on a replica: it knows that only for what a connection has written itself.
-- KEYS: config
-- Returns: 1, or 0 when the queue no longer exists.
local config = KEYS[1]
if not queue_exists(config) then
  return 0
end
redis.call('HSET', config, FIELD.LAYOUT, redis.call('HGET', config, FIELD.LAYOUT))
return 1
