-- Reject chunks of tasks that a process has already sent but that have not arrived yet, because their
-- submission was given up. Repeating it changes nothing.
-- KEYS: config
-- ARGV: options: token of the process and number of its last chunk
-- Returns: 1, or 0 when the queue no longer exists.
local config = KEYS[1]
local options = cmsgpack.unpack(ARGV[1])
local token, number = options.token, options.number

-- include: _submitter.lua
if not queue_exists(config) then
  return 0
end
if not is_copy(redis.call('HGET', config, submitter)) then
  record_chunk(now_us())
end
return 1
