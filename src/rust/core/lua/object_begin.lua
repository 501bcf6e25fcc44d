-- Ask for objects before they are stored, and pin those that are there.
-- KEYS: config
-- ARGV: key prefix, 1 if the store belongs to a queue, ms for which to pin, the name of the draft of a new
--       object that is about to be sent, then hashes
-- Returns: 1, or 0 if the queue no longer exists; then per hash 1 if it is stored, else 0. If all of them
--          are, there is no draft.
local config, prefix, owned, pin_ms, draft = KEYS[1], ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]

-- include: _object.lua

if owned and not queue_exists(config) then
  return { 0 }
end
local us, found, all = now_us(), { 1 }, #ARGV > 4
for i = 5, #ARGV do
  local stored = has_object(ARGV[i])
  found[#found + 1] = stored and 1 or 0
  all = all and stored
  if stored then
    pin(ARGV[i], us, pin_ms)
  end
end
if not all then
  redis.call('HSET', prefix .. KEY.object .. draft, 'begun', 1)
  pin(draft, us, pin_ms)
end
return found
