-- Store the progress of a task while it runs: after the queue was destroyed, nothing may be written.
-- KEYS: tasks progress
-- ARGV: task id, value
-- Returns: 1, or 0 when it is not running.
local tasks, progress = unpack(KEYS)
local id, value = ARGV[1], ARGV[2]

-- include: _header.lua
if status_of(redis.call('HGET', tasks, id)) ~= RUNNING then
  return 0
end
redis.call('HSET', progress, id, value)
return 1
