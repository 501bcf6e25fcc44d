-- Pause a queue or resume it. Repeating it changes nothing.
-- KEYS: cfg n q k
-- ARGV: queue, 1 to pause
-- Returns: 1 if that changed anything, else 0.
local config, counters, list, wake = unpack(KEYS)
local field = 'pause:' .. ARGV[1]

local changed
if ARGV[2] == '1' then
  changed = redis.call('HSETNX', config, field, 1)
  count(counters, 'paused', changed)
else
  changed = redis.call('HDEL', config, field)
  count(counters, 'paused', -changed)
  if redis.call('LLEN', list) > 0 then
    redis.call('ZADD', wake, 0, 'w')
  end
end
return changed
