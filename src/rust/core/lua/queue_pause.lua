-- Pause a queue or resume it. Repeating it changes nothing.
-- KEYS: config counters, and the queue's list and marker
-- ARGV: key prefix, queue, 1 to pause
-- Returns: 1 if that changed anything, 0 if not, -1 when the queue id no longer exists.
local config, counters = unpack(KEYS)
local prefix, queue, pause = ARGV[1], ARGV[2], ARGV[3] == '1'

-- include: _queue.lua
if not queue_exists(config) then
  return -1
end
local changed
if pause then
  changed = redis.call('HSETNX', config, FIELD.PAUSE .. queue, 1)
  count(counters, FIELD.PAUSED, changed)
else
  changed = redis.call('HDEL', config, FIELD.PAUSE .. queue)
  count(counters, FIELD.PAUSED, -changed)
  wake_next(queue)
end
return changed
