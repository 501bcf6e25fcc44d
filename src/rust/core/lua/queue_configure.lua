-- Set the default rules for the tasks of a new queue. Repeating it changes nothing.
-- KEYS: config
-- ARGV: settings
-- Returns: 1; 0 when the queue exists already, with other settings.
local config, settings = KEYS[1], ARGV[1]

if redis.call('HGET', config, FIELD.DEFAULTS) == settings then
  return 1
end
if queue_exists(config) then
  return 0
end
redis.call('HSET', config, FIELD.DEFAULTS, settings)
return 1
