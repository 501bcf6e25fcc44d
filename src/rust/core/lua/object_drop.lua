-- Remove a tag, and delete the objects that nothing refers to any more. Also ends the pins that are over.
-- Does a bounded part of it.
-- KEYS: config
-- ARGV: key prefix, tag ('': only end pins), possibly the hash of the only object to take it from
-- Returns: how many objects had the tag in this part.
local config, prefix, tag, only = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local LIMIT = 256

-- include: _object.lua

local n = 0
if tag ~= '' then
  -- A tag may begin another one.
  local from, to = '[t:' .. tag .. '\0', '(t:' .. tag .. '\1'
  local links = only and { 't:' .. tag .. '\0' .. only }
    or redis.call('ZRANGEBYLEX', prefix .. KEY.object_tags, from, to, 'LIMIT', 0, LIMIT)
  for _, link in ipairs(links) do
    local hash = string.sub(link, -ID_WIDTH)
    redis.call('ZREM', prefix .. KEY.object_tags, link, 'h:' .. hash .. ':' .. tag)
    drop_object(hash)
  end
  n = #links
end
local pins = redis.call('ZRANGEBYSCORE', prefix .. KEY.due, 1, now_us() / 1000, 'LIMIT', 0, LIMIT)
for _, member in ipairs(pins) do
  if string.sub(member, 1, 2) == DUE.OBJECT then
    unpin(string.sub(member, 3))
  end
end
return n
