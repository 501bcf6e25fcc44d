-- Part of worker_step.lua: end one task, given the position of its report in ARGV.

-- A value that the worker has stored as an object belongs to the task from now on.
local function keep_object(header, hash)
  redis.call('HINCRBY', prefix .. KEY.object_refs, hash, 1)
  redis.call('ZREM', due, DUE.OBJECT .. hash)
  header.result = hash
  add_flag(header, FLAG_OBJECT)
end

local function end_finished(header, task, status, result, extra, is_object)
  task_ended(task, header, status == COMPLETE, us)
  reset_flags(header)
  if is_object then
    keep_object(header, result)
  elseif #result <= SMALL_RESULT then
    header.result = result
  else
    redis.call('HSET', results, task, result)
    add_flag(header, FLAG_LARGE)
  end
  if extra ~= '' then
    redis.call('HSET', extras, task, extra)
    add_flag(header, FLAG_EXTRA)
  end
  note_event(events, header.waiters, task, status)
end

-- The process of an isolated task: its lines stand between those of the worker, and the log of the task
-- says which it was, also of a task that has printed nothing and ended before that was stored.
local function note_child(header, task, child, status)
  log_line(lines, tonumber(header.start), 'ALIVE', task, child)
  log_line(lines, tonumber(header.ended), 'STOP', status == COMPLETE and 'OK' or WORDS[status], child)
  local logs = prefix .. KEY.logs
  if string.match(redis.call('HGET', logs, task) or '', '^%d+') ~= header.attempt then
    redis.call('HSET', logs, task, header.attempt .. ' ' .. child .. ' 0 0\n')
  end
end

local function note_end(task, status)
  local same = ended[status] or { n = 0 }
  same.n = same.n + 1
  same[same.n] = task
  ended[status] = same
end

-- The fence: only the worker and attempt that hold a task may end it.
local function finish(packed, task, at)
  local changed, waiter = small_report(task, packed, at)
  if changed then
    local status = ARGV[at + 2]
    add_packed(task, changed)
    note_event(events, waiter, task, status)
    note_end(task, status)
    return
  end
  local header = read_header(packed)
  local attempt, status, started, ended_ago = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local result, extra, may_retry, child = ARGV[at + 5], ARGV[at + 6], ARGV[at + 7] == '1', ARGV[at + 8]
  local is_object = ARGV[at + 7] == 'o'
  if header and header.is_damaged then
    quarantine(task, RUNNING, us)
  end
  if not header or header.status ~= RUNNING or header.worker ~= id or header.attempt ~= attempt then
    return
  end
  header.start, header.ended = digits(us - started), digits(us - ended_ago)
  if child ~= '' then
    note_child(header, task, child, status)
  end
  local delay = may_retry and retry_delay(task, header, status)
  if delay then
    retry_task(task, header, status, result, delay, us)
    status = PENDING
  else
    header.status = status
    end_finished(header, task, status, result, extra, is_object)
  end
  add_packed(task, pack_header(header))
  note_end(task, status)
end
