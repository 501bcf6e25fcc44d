-- End the preparation of a set: no more tasks join it. Repeating it changes nothing.
-- KEYS: due
-- ARGV: key prefix, the set
-- Returns: 1 if the set has no tasks and is being deleted, else 0
local prefix, set = ARGV[1], ARGV[2]

-- include: _links.lua
return close_set(set, now_us()) and 1 or 0
