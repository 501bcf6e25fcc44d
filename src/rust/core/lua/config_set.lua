-- Store or delete a setting of the queue. Repeating it changes nothing.
-- KEYS: config
-- ARGV: field, value ('': delete it), 1 to replace what is stored
-- Returns: 1 if the value is stored now, 0 if another one was kept, -1 when the queue no longer exists.
local config = KEYS[1]
local field, value, replace = ARGV[1], ARGV[2], ARGV[3] == '1'

if not queue_exists(config) then
  return -1
end
if value == '' then
  redis.call('HDEL', config, field)
elseif replace then
  redis.call('HSET', config, field, value)
else
  return redis.call('HSETNX', config, field, value)
end
return 1
