-- Set what holds for a queue from its first task on. Repeating it changes nothing.
-- KEYS: cfg
-- ARGV: settings
-- Returns: 1; 0 when the queue exists already, with other settings.
local config, settings = KEYS[1], ARGV[1]

if redis.call('HGET', config, 'defaults') == settings then
  return 1
end
if redis.call('HEXISTS', config, 'layout') == 1 then
  return 0
end
redis.call('HSET', config, 'defaults', settings)
return 1
