-- Store or delete a setting of the queue. Repeating it changes nothing, even if another value was stored since.
-- KEYS: config
-- ARGV: field, value ('': delete it), 1 to replace what is stored, token and number of the request
-- Returns: 1 if the value is stored now, 0 if another one was kept, -1 when the queue no longer exists.
local config = KEYS[1]
local field, value, replace = ARGV[1], ARGV[2], ARGV[3] == '1'
local token, number = ARGV[4], tonumber(ARGV[5])

-- include: _submitter.lua
if not queue_exists(config) then
  return -1
elseif is_repeated() then
  local is_stored = (redis.call('HGET', config, field) or '') == value
  return (replace or is_stored) and 1 or 0
end
if value == '' then
  redis.call('HDEL', config, field)
elseif replace then
  redis.call('HSET', config, field, value)
else
  return redis.call('HSETNX', config, field, value)
end
return 1
