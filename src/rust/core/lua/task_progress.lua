-- Store how far a task is, as long as it runs: after its queue is gone nothing may be written.
-- KEYS: t prog
-- ARGV: task id, value
-- Returns: 1, or 0 when it does not run.
local tasks, progress = unpack(KEYS)
local id, value = ARGV[1], ARGV[2]

local header = redis.call('HGET', tasks, id)
if not header or string.sub(header, 1, 1) ~= RUNNING then
  return 0
end
redis.call('HSET', progress, id, value)
return 1
