-- Append a message to the lists of workers and wake them. Repeating it changes nothing, even if the message
-- was answered, its response deleted, and the worker's name taken by another one meanwhile.
-- KEYS: workers config, then per worker its messages and its marker
-- ARGV: token and number of the request, message, worker ids
-- Returns: the ids that do not belong to active workers; if there are any, nothing was sent.
local workers, config = KEYS[1], KEYS[2]
local token, number, message = ARGV[1], tonumber(ARGV[2]), ARGV[3]

-- include: _record.lua
-- include: _submitter.lua
if is_copy(redis.call('HGET', config, submitter)) then
  return {}
end
local unknown = {}
for i = 4, #ARGV do
  if not is_active(read_worker(ARGV[i])) then
    unknown[#unknown + 1] = ARGV[i]
  end
end
if #unknown > 0 then
  return unknown
end
record_request(now_us())
for i = 4, #ARGV do
  redis.call('RPUSH', KEYS[2 * i - 5], message)
  redis.call('ZADD', KEYS[2 * i - 4], 0, 'm')
end
return {}
