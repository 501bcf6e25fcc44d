-- Add a tag to objects that are stored, and end their pins. Repeating it changes nothing.
-- KEYS: config
-- ARGV: key prefix, tag, then hashes
-- Returns: those hashes that are not stored; then nothing was changed.
local config, prefix, tag = KEYS[1], ARGV[1], ARGV[2]

-- include: _object.lua

local missing = {}
for i = 3, #ARGV do
  if not has_object(ARGV[i]) then
    missing[#missing + 1] = ARGV[i]
  end
end
if #missing > 0 then
  return missing
end
for i = 3, #ARGV do
  local hash = ARGV[i]
  redis.call('ZADD', prefix .. KEY.object_tags, 0, 'h:' .. hash .. ':' .. tag, 0, 't:' .. tag .. '\0' .. hash)
  redis.call('ZREM', prefix .. KEY.due, DUE.OBJECT .. hash)
end
return missing
