-- Part of worker_step.lua: end one task, given where its report starts in ARGV.

local function end_finished(header, task, status, result, extra)
  task_ended(prefix, task, header, status == COMPLETE, us)
  local flags = has_flag(header, FLAG_PARENT) and FLAG_PARENT or 0
  if #result <= SMALL_RESULT then
    header[H_RESULT] = result
  else
    redis.call('HSET', results, task, result)
    flags = flags + FLAG_LARGE
  end
  if extra ~= '' then
    redis.call('HSET', extras, task, extra)
    flags = flags + FLAG_EXTRA
  end
  header[H_FLAGS] = flags == 0 and '0' or digits(flags)
  note_event(events, header[H_WATCH], task, status)
end

-- The fence: only the worker and attempt that hold a task may end it.
local function finish(header, task, at)
  if not header or header[H_STATUS] ~= RUNNING or header[H_WORKER] ~= id
     or header[H_ATTEMPT] ~= ARGV[at + 1] then
    return
  end
  local status, result, said = ARGV[at + 2], ARGV[at + 5], ARGV[at + 2]
  header[H_START], header[H_END] = digits(us - ARGV[at + 3]), digits(us - ARGV[at + 4])
  local delay = ARGV[at + 7] == '1' and retry_delay(task, header, status)
  if delay then
    try_again(prefix, task, header, status, result, delay, us)
    said = PENDING
  else
    header[H_STATUS] = status
    end_finished(header, task, status, result, ARGV[at + 6])
  end
  add_write(task, header)
  local same, child = ended[said] or { n = 0 }, ARGV[at + 8]
  same.n = same.n + 1
  if child == '' then
    same[#same + 1] = task
  else
    log_line(lines, us, end_command(said), task, child)
  end
  ended[said] = same
end
