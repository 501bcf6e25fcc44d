-- Return the number of chunks of a file, and extend its expiry.
-- KEYS: config files file
-- ARGV: sum, lifetime in ms
-- Returns: their number, or -1 when it is not stored.
local config, index, key = unpack(KEYS)
local sum, lifetime = ARGV[1], tonumber(ARGV[2])

-- include: _file.lua

local chunks = redis.call('HGET', key, 'chunks')
if not chunks then
  return -1
end
keep_file(config, index, key, sum, lifetime)
return tonumber(chunks)
