-- What waits in a queue, as its counter and its list say at one time.
-- KEYS: counters, the queue's list
-- ARGV: queue
-- Returns: how many tasks wait, then the ids in the list.
local counters, list = unpack(KEYS)

local ids = redis.call('LRANGE', list, 0, -1)
table.insert(ids, 1, redis.call('HGET', counters, FIELD.QUEUE .. ARGV[1]) or '0')
return ids
