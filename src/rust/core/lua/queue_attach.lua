-- Attach to a queue. A controller creates the queue when it is new, a worker does not.
-- KEYS: config counters
-- ARGV: layout version, default worker configuration, who attaches ('': a worker), a mark for the files of
--       a new queue, server ms when this was sent
-- Returns: false if it is too late: a copy that arrives after somebody has destroyed the queue must not
--          create it again. Otherwise the layout found ('': there is no such queue), the number of this controller's event
--          stream, the queue's settings, the mark of its files ('': none).
local config, counters = unpack(KEYS)
local layout, localhost, who, mark, sent_ms = unpack(ARGV)
local REMEMBERED = 10

-- include: _fresh.lua
if who ~= '' and not is_fresh(sent_ms) then
  return false
end

if who ~= '' and redis.call('HSETNX', config, FIELD.LAYOUT, layout) == 1 then
  redis.call('HSET', config, FIELD.MARK, mark)
end
local found = redis.call('HGET', config, FIELD.LAYOUT) or ''
if found ~= layout then
  return { found, 0, '', '' }
end
redis.call('HSETNX', config, FIELD.WORKER_CONFIG .. 'localhost', localhost)
if who ~= '' then
  local packed = redis.call('HGET', config, FIELD.CONTROLLERS)
  local ok, controllers = pcall(cmsgpack.unpack, packed or '')
  if not ok or type(controllers) ~= 'table' then
    controllers = {}
  end
  table.insert(controllers, 1, { who, now_us() })
  controllers[REMEMBERED + 1] = nil
  redis.call('HSET', config, FIELD.CONTROLLERS, cmsgpack.pack(controllers))
end
local defaults = redis.call('HGET', config, FIELD.DEFAULTS) or ''
local number = redis.call('HINCRBY', counters, FIELD.WATCH, 1)
return { found, number, defaults, redis.call('HGET', config, FIELD.MARK) or '' }
