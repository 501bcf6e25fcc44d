-- Add a line to a worker's log, in server time. Repeated, it adds another one.
-- KEYS: log workers
-- ARGV: command, message, worker id
-- Returns: 1, or 0 when the worker was deleted.
local log, workers = unpack(KEYS)

if redis.call('HEXISTS', workers, ARGV[3]) == 0 then
  return 0
end
local lines = {}
log_line(lines, now_us(), ARGV[1], ARGV[2])
write_log(log, lines)
return 1
