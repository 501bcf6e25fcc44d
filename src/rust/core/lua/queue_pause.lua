-- Pause a queue or resume it. Repeating it changes nothing, even if somebody has resumed it since.
-- KEYS: config counters, and the queue's list and marker
-- ARGV: key prefix, queue, 1 to pause, token and number of the request
-- Returns: 1 if that changed anything, 0 if not, -1 when the queue id no longer exists.
local config, counters = unpack(KEYS)
local prefix, queue, pause = ARGV[1], ARGV[2], ARGV[3] == '1'
local token, number = ARGV[4], tonumber(ARGV[5])

-- include: _queue.lua
-- include: _submitter.lua
if not queue_exists(config) then
  return -1
elseif is_repeated() then
  return 0
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
