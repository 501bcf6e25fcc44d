-- Give a waiter its number. Repeated, it gives another one.
-- KEYS: config counters
-- ARGV: none
-- Returns: the number, -1 when the queue no longer exists.
local config, counters = unpack(KEYS)

if not queue_exists(config) then
  return -1
end
return redis.call('HINCRBY', counters, FIELD.WATCH, 1)
