-- A worker whose environment is built starts to count as alive.
-- KEYS: w log
-- ARGV: worker id, incarnation, queue names as text
-- Returns: 1, or 0 when it is no longer registered.
local workers, log = unpack(KEYS)
local id, incarnation, queues = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation then
  return 0
end
if record[W_STATE] == 'STARTING' then
  record[W_STATE] = 'IDLE'
  write_worker(workers, id, record)
  local us, lines = now_us(), {}
  log_line(lines, us, 'HEARTBEAT', 'lost after ' .. record[W_EXPIRE] / 1000 .. ' s of silence')
  log_line(lines, us, 'ENVIR', 'new')
  log_line(lines, us, 'QUEUE', queues)
  log_line(lines, us, 'ALIVE', '')
  write_log(log, lines)
end
return 1
