-- Store a chunk of a file under a temporary name, until file_keep. Repeating it changes nothing.
-- KEYS: config files file
-- ARGV: name, position, bytes, lifetime in ms
-- Returns: 1, or 0 when the queue no longer exists.
local config, index, key = unpack(KEYS)
local name, position, bytes, lifetime = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- include: _file.lua

if not queue_exists(config) then
  return 0
end
redis.call('HSET', key, position, bytes)
keep_file(config, index, key, name, lifetime)
return 1
