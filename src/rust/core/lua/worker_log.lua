-- Add a line to a worker's log, in server time.
-- KEYS: log
-- ARGV: command, message
-- Returns: nothing of use.
local lines = {}
log_line(lines, now_us(), ARGV[1], ARGV[2])
write_log(KEYS[1], lines)
return 1
