-- Put a message on the lists of some workers and wake them. Repeating it changes nothing.
-- KEYS: w, then per worker its messages and its wake marker
-- ARGV: message id, message, worker ids
-- Returns: the ids that are not those of active workers; nothing was sent if there is one.
local workers = KEYS[1]
local message_id, message = ARGV[1], ARGV[2]

local unknown = {}
for i = 3, #ARGV do
  if not is_active(read_worker(workers, ARGV[i])) then
    unknown[#unknown + 1] = ARGV[i]
  end
end
if #unknown > 0 then
  return unknown
end
for i = 3, #ARGV do
  local list, wake = KEYS[2 * i - 4], KEYS[2 * i - 3]
  if redis.call('LINDEX', list, -1) ~= message then
    redis.call('RPUSH', list, message)
  end
  redis.call('ZADD', wake, 0, 'm')
end
return {}
