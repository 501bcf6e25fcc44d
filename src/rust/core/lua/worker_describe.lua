-- Store a worker's description of itself. Repeating it changes nothing.
-- KEYS: workers worker_infos
-- ARGV: worker id, information
-- Returns: 1, or 0 when the worker no longer exists.
local workers, infos = unpack(KEYS)
local id, info = ARGV[1], ARGV[2]

if redis.call('HEXISTS', workers, id) == 0 then
  return 0
end
redis.call('HSET', infos, id, info)
return 1
