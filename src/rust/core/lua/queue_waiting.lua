-- What waits in a queue, as its counter and its list say at one time.
-- KEYS: tasks counters
-- ARGV: key prefix, queue
-- Returns: how many tasks wait, then the ids in the list.
local tasks, counters = unpack(KEYS)
local prefix, queue = ARGV[1], ARGV[2]

-- include: _queue.lua
local ids, n = all_listed(queue)
table.insert(ids, 1, n)
return ids
