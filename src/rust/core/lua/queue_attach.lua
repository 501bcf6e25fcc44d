-- Attach to a queue. A controller creates the queue when it is new, a worker does not.
-- KEYS: cfg n
-- ARGV: layout version, default worker configuration, who attaches ('': a worker)
-- Returns: the layout found ('': there is no such queue), the number of this controller's event
--          stream, the queue's settings.
local config, counters = unpack(KEYS)
local layout, localhost, who = ARGV[1], ARGV[2], ARGV[3]
local REMEMBERED = 10

if who ~= '' then
  redis.call('HSETNX', config, 'layout', layout)
end
local found = redis.call('HGET', config, 'layout') or ''
if found ~= layout then
  return { found, 0, '' }
end
redis.call('HSETNX', config, 'worker:localhost', localhost)
if who ~= '' then
  local packed = redis.call('HGET', config, 'controllers')
  local controllers = packed and cmsgpack.unpack(packed) or {}
  table.insert(controllers, 1, { who, now_us() })
  controllers[REMEMBERED + 1] = nil
  redis.call('HSET', config, 'controllers', cmsgpack.pack(controllers))
end
local defaults = redis.call('HGET', config, 'defaults') or ''
return { found, redis.call('HINCRBY', counters, 'watch', 1), defaults }
