-- Reject numbered requests that a process has already sent but that have not arrived yet, because it has
-- given them up, or got the reply that they were refused. Repeating it changes nothing.
-- KEYS: config
-- ARGV: options: token of the process and number of its last request
-- Returns: 1, or 0 when the queue no longer exists.
local config = KEYS[1]
local options = cmsgpack.unpack(ARGV[1])
local token, number = options.token, options.number

-- include: _submitter.lua
if not queue_exists(config) then
  return 0
end
is_repeated()
return 1
