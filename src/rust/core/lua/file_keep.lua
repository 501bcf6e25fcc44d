-- All chunks of a file are stored: rename it to its sum. A file that turned out to have another sum is
-- deleted. Repeating it changes nothing.
-- KEYS: config files, the file under its temporary name, and under its sum
-- ARGV: name, sum ('': delete it), number of chunks, lifetime in ms
-- Returns: 1, or 0 when the queue or the chunks no longer exist.
local config, index, draft, key = unpack(KEYS)
local name, sum, chunks, lifetime = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- include: _file.lua

if not queue_exists(config) then
  return 0
end
-- Another process may have been faster, or this is a repetition.
local stored = sum ~= '' and redis.call('EXISTS', key) == 1
if sum ~= '' and not stored and redis.call('HLEN', draft) ~= tonumber(chunks) then
  return 0
end
redis.call('ZREM', index, name)
if sum == '' or stored then
  redis.call('UNLINK', draft)
elseif chunks ~= '0' then
  redis.call('RENAME', draft, key)
end
if sum ~= '' then
  redis.call('HSET', key, 'chunks', chunks)
  keep_file(config, index, key, sum, lifetime)
end
return 1
