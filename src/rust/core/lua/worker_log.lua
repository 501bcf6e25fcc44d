-- Add a line to a worker's log, in server time.
-- KEYS: log config
-- ARGV: command, message
-- Returns: 1, or 0 when the queue no longer exists.
local log, config = unpack(KEYS)

if not queue_exists(config) then
  return 0
end
local lines = {}
log_line(lines, now_us(), ARGV[1], ARGV[2])
write_log(log, lines)
return 1
