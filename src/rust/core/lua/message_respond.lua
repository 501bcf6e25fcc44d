-- Store the response to the message at the head of a worker's list. A worker's responses expire a week
-- after the last of them. Repeating it changes nothing.
-- KEYS: messages responses log, the sender's events, workers
-- ARGV: worker id, message id, command, response, message, the worker's new state or ''
-- Returns: 1, or 0 when it was already stored.
local messages, responses, log, stream, workers = unpack(KEYS)
local KEEP_MS = 7 * 24 * 3600 * 1000
local id, message_id, command, answer, message, state = unpack(ARGV)

-- include: _record.lua
if redis.call('LINDEX', messages, 0) ~= message then
  return 0
end
redis.call('LPOP', messages)
redis.call('HSET', responses, message_id, answer)
-- The responses do not outlive a queue that was told to expire.
local left = redis.call('PTTL', workers)
redis.call('PEXPIRE', responses, left >= 0 and math.min(left, KEEP_MS) or KEEP_MS)
redis.call('XADD', stream, 'NOMKSTREAM', '*', 'm', id .. ' ' .. message_id)
local record = read_worker(id)
if state ~= '' and is_active(record) then
  record.state = state
  write_worker(id, record)
end
local lines = {}
log_line(lines, now_us(), 'RESPONSE', command)
write_log(log, lines)
return 1
