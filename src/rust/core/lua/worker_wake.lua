-- Wake the main thread of a worker if it sleeps in the server. Repeating it changes nothing.
-- KEYS: workers marker
-- ARGV: worker id, incarnation
-- Returns: 1, or 0 when it is no longer registered.
local workers, marker = unpack(KEYS)
local id, incarnation = ARGV[1], tonumber(ARGV[2])

-- include: _record.lua
if not registered(id, incarnation) then
  return 0
end
redis.call('ZADD', marker, 0, 'i')
return 1
