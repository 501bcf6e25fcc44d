-- Ask to be told on a stream when tasks end. Tasks this waiter submitted already know it.
-- KEYS: t ev
-- ARGV: waiter number, stream lifetime in ms, ids
-- Returns: one text with the status of each, '-' when there is no such task.
local tasks, stream = unpack(KEYS)
local watch, lifetime = ARGV[1], ARGV[2]

if redis.call('EXISTS', stream) == 0 then
  redis.call('XADD', stream, '0-1', 't', '')
end
redis.call('PEXPIRE', stream, lifetime)

local ids, codes, writes = {}, {}, {}
for i = 3, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
  local status = packed and string.sub(packed, 1, 1) or '-'
  codes[i] = status
  if status == PENDING or status == RUNNING or status == DEFERRED then
    local header = read_header(packed)
    if not string.find(',' .. header[H_WATCH] .. ',', ',' .. watch .. ',', 1, true) then
      header[H_WATCH] = header[H_WATCH] == '' and watch or header[H_WATCH] .. ',' .. watch
      writes[#writes + 1], writes[#writes + 2] = ids[i], table.concat(header, '\n')
    end
  end
end
if #writes > 0 then
  redis.call('HSET', tasks, unpack(writes))
end
return table.concat(codes)
