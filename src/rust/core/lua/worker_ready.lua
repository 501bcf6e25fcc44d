-- A worker counts as alive once its environment has been built.
-- KEYS: workers log
-- ARGV: worker id, incarnation, queue names as text, number of its last request that is numbered like a
--       step: a late copy does not end a later restart
-- Returns: 1, or 0 when it is no longer registered.
local workers, log = unpack(KEYS)
local id, incarnation, queues, sequence = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

-- include: _record.lua
local record = registered(id, incarnation)
if not record then
  return 0
end
if record.state == 'STARTING' and record.sequence == sequence then
  record.state = 'IDLE'
  write_worker(id, record)
  local lines = {}
  log_line(lines, now_us(), 'QUEUE', queues)
  write_log(log, lines)
end
return 1
