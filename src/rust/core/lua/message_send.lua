-- Append a message to the lists of workers and wake them. Repeating it changes nothing.
-- KEYS: workers, then per worker its messages, its marker and its responses
-- ARGV: message id, message, worker ids
-- Returns: the ids that do not belong to active workers; if there are any, nothing was sent.
local workers = KEYS[1]
local message_id, message = ARGV[1], ARGV[2]

-- include: _record.lua
-- When a late repetition arrives, a worker may have responded and exited since.
local unknown, answered = {}, {}
for i = 3, #ARGV do
  answered[i] = redis.call('HEXISTS', KEYS[3 * i - 5], message_id) == 1
  if not answered[i] and not is_active(read_worker(ARGV[i])) then
    unknown[#unknown + 1] = ARGV[i]
  end
end
if #unknown > 0 then
  return unknown
end
for i = 3, #ARGV do
  local list, wake = KEYS[3 * i - 7], KEYS[3 * i - 6]
  if not answered[i] and not redis.call('LPOS', list, message) then
    redis.call('RPUSH', list, message)
    redis.call('ZADD', wake, 0, 'm')
  end
end
return {}
