-- Set the default rules for the tasks of a new queue. Repeating it changes nothing.
-- KEYS: config
-- ARGV: settings, server ms when this was sent
-- Returns: 1; 0 when the queue exists already, with other settings; -1 if it is too late, see _fresh.lua.
local config, settings, sent_ms = KEYS[1], ARGV[1], ARGV[2]

-- include: _fresh.lua
if redis.call('HGET', config, FIELD.DEFAULTS) == settings then
  return 1
end
if queue_exists(config) then
  return 0
elseif not is_fresh(sent_ms) then
  return -1
end
redis.call('HSET', config, FIELD.DEFAULTS, settings)
return 1
