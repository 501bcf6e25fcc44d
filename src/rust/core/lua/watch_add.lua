-- Register a watch for the ends of tasks, as task_watch.lua, and find out which of them have emitted events.
-- KEYS: tasks, the watch's events, config, emitted
-- ARGV: number of the watch, stream lifetime in ms, ids
-- Returns: {one text with the status of each, '-' when there is no such task, ids of those with events...};
--          false when the queue no longer exists.
local tasks, stream, config, emitted = unpack(KEYS)
local waiter, lifetime = ARGV[1], ARGV[2]
local ids = { unpack(ARGV, 3) }

-- include: _watch.lua
local codes = watch_tasks(waiter, lifetime, ids)
if not codes then
  return false
end
local reply = { codes }
if redis.call('EXISTS', emitted) == 1 then
  for i, state in ipairs(redis.call('HMGET', emitted, unpack(ids))) do
    reply[#reply + 1] = state and ids[i] or nil
  end
end
return reply
