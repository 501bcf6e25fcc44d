-- Open the event stream of a waiter, or keep it open.
-- KEYS: config, the waiter's events
-- ARGV: stream lifetime in ms
-- Returns: the position after its last entry, false when the queue no longer exists.
local config, stream = unpack(KEYS)
local lifetime = ARGV[1]

if not queue_exists(config) then
  return false
end
local position = redis.call('XADD', stream, '*', 't', '')
redis.call('PEXPIRE', stream, lifetime)
return position
