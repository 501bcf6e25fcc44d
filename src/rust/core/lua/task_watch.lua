-- Register a waiter for the end of tasks. Tasks that this waiter submitted already carry its number.
-- KEYS: tasks, the waiter's events, config
-- ARGV: waiter number, stream lifetime in ms, ids
-- Returns: one text with the status of each, '-' when there is no such task; false when the
--          queue no longer exists.
local tasks, stream, config = unpack(KEYS)
local waiter, lifetime = ARGV[1], ARGV[2]

-- include: _header.lua
if not queue_exists(config) then
  return false
end
if redis.call('EXISTS', stream) == 0 then
  redis.call('XADD', stream, '0-1', 't', '')
end
redis.call('PEXPIRE', stream, lifetime)

local ids, codes, writes = {}, {}, {}
for i = 3, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
  codes[i] = status_of(packed) or '-'
  if is_open(codes[i]) then
    local header = read_header(packed)
    if not string.find(',' .. header.waiters .. ',', ',' .. waiter .. ',', 1, true) then
      header.waiters = header.waiters == '' and waiter or header.waiters .. ',' .. waiter
      writes[#writes + 1], writes[#writes + 2] = ids[i], pack_header(header)
    end
  end
end
if #writes > 0 then
  redis.call('HSET', tasks, unpack(writes))
end
return table.concat(codes)
