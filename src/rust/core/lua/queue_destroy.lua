-- Destroy a queue, in two calls: the first makes it unknown to those who attach, the second deletes its keys.
-- Repeating either changes nothing, even if a queue of the same name was created since: that has another
-- mark. Settings that cannot be read do not keep a queue from being destroyed. All keys go in one call: a
-- heartbeat of a worker between two would create its timer again.
-- KEYS: config, then the keys to delete
-- ARGV: the mark of the queue, server ms at which it expires ('0': at once)
-- Returns: 1, or 0 when it was another queue.
local config, mark, end_ms = KEYS[1], ARGV[1], ARGV[2]
local STRIDE = 1000

local found = redis.pcall('HGET', config, FIELD.MARK) or ''
if type(found) == 'string' and found ~= mark then
  return 0
end
if #KEYS == 1 and end_ms == '0' then
  redis.pcall('HDEL', config, FIELD.LAYOUT)
elseif #KEYS == 1 then
  redis.call('PEXPIREAT', config, end_ms)
end
for first = 2, #KEYS, STRIDE do
  local keys = { unpack(KEYS, first, math.min(first + STRIDE - 1, #KEYS)) }
  if end_ms == '0' then
    redis.call('UNLINK', unpack(keys))
  else
    for _, key in ipairs(keys) do
      redis.call('PEXPIREAT', key, end_ms)
    end
  end
end
return 1
