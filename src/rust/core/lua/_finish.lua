-- Part of worker_step.lua: end one task.

-- The fence: only the worker and attempt that hold a task may end it.
local function finish(header, task, at)
  if not header or header[H_STATUS] ~= RUNNING or header[H_WORKER] ~= id
     or header[H_ATTEMPT] ~= tonumber(ARGV[at + 1]) then
    return
  end
  local status, result, extra = tonumber(ARGV[at + 2]), ARGV[at + 5], ARGV[at + 6]
  header[H_STATUS] = status
  header[H_START], header[H_END] = us - ARGV[at + 3], us - ARGV[at + 4]
  if #result <= SMALL_RESULT then
    header[H_RESULT] = result
  else
    redis.call('HSET', results, task, result)
    header[H_FLAGS] = header[H_FLAGS] + FLAG_LARGE
  end
  if extra ~= '' then
    redis.call('HSET', extras, task, extra)
    header[H_FLAGS] = header[H_FLAGS] + FLAG_EXTRA
  end
  writes[#writes + 1], writes[#writes + 2] = task, cmsgpack.pack(header)
  bump('s:RUNNING', -1)
  bump('s:' .. WORDS[status], 1)
  note_event(events, header[H_WATCH], task, status)
  log_line(lines, header[H_START], 'TASK_START', task)
  log_line(lines, header[H_END], 'TASK_' .. WORDS[status], task)
end
