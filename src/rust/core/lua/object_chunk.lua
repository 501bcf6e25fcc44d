-- Runs in one transaction with the command that stores a chunk, which would create a key that stays for
-- ever if the object was given up or the queue destroyed meanwhile.
-- KEYS: chunks
-- Returns: 1, or 0 if the chunk was not wanted.
local chunks = KEYS[1]

if redis.call('HEXISTS', chunks, 'begun') == 1 then
  return 1
end
redis.call('UNLINK', chunks)
return 0
