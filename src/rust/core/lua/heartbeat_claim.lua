-- Claim the key of a heartbeat, which must not exist, and drop signals for an earlier process. Signals
-- sent from now on are kept. Repeating it changes nothing.
-- KEYS: key signals
-- ARGV: nonce, ms until the key expires
-- Returns: 1, or 0 when another process has it.
local key, signals = unpack(KEYS)
local nonce, expire_ms = ARGV[1], ARGV[2]

if redis.call('SET', key, nonce, 'NX', 'PX', expire_ms) then
  redis.call('DEL', signals)
  return 1
end
return redis.call('GET', key) == nonce and 1 or 0
