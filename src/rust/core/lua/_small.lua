-- Part of worker_step.lua: a step of the kind that somebody waits for. At most one task has ended, with a
-- small value or error, and at most one is to be claimed; nothing else is to be done. It does what the rest
-- of the script would do. But most of the time of a short script goes into creating the functions that it
-- defines, and this part needs few of them.
--
-- Returns nil before it has written anything if a step is of another kind.

-- include: _header.lua
-- include: _queue.lua

-- From a queue with so many tasks, claim() may take several.
local FEW = 8

-- The header of a task that has ended, reported from ARGV[at] on, and its waiter.
local function small_report(task, packed, at)
  local attempt, status, started, ended_ago, result, extra, kind, child = unpack(ARGV, at + 1, at + 8)
  if (status == COMPLETE or status == ERROR) and #result <= SMALL_RESULT and extra == ''
    and kind ~= 'o' and child == '' then
    return ended_header(packed, id, attempt, status, digits(us - started), digits(us - ended_ago), result)
  end
end

-- The waiter gets the value along with the news.
local function tell(waiter, task)
  local stream, status = prefix .. KEY.events .. waiter, ARGV[FIRST_FINISH + 2]
  if status == COMPLETE then
    local value = task .. id .. '\n' .. ARGV[FIRST_FINISH + 1] .. '\n' .. ARGV[FIRST_FINISH + 5]
    redis.call('XADD', stream, 'NOMKSTREAM', '*', 't', task .. status, 'v', value)
  else
    redis.call('XADD', stream, 'NOMKSTREAM', '*', 't', task .. status)
  end
end

local function small_step()
  local time = digits(us)
  local task = ARGV[FIRST_FINISH]
  if replay or record.held ~= (task or '') or #ARGV > FIRST_FINISH + FINISH_WIDTH or claim_limit == 0
    or record.state == 'PAUSED' or record.lease - ms < record.lease_ms * LEASE_LEFT then
    return nil
  end
  local timer = redis.call('ZRANGE', due, '0', '0', 'WITHSCORES')
  local until_due = timer[2] and timer[2] - ms or 60000
  if until_due <= 0 or (redis.call('HGET', counters, FIELD.PAUSED) or '0') ~= '0'
    or redis.call('LLEN', messages) > 0 then
    return nil
  end
  local at, waiting = 0, {}
  while #waiting == 0 and at < #queues do
    at = at + 1
    waiting = first_waiting(queues[at], FEW)
  end
  if #waiting == FEW and claim_limit > 1 then
    return nil
  end
  local next_task = waiting[1]
  local ended, waiter, claimed, attempt
  if task then
    ended, waiter = small_report(task, redis.call('HGET', tasks, task), FIRST_FINISH)
  end
  if next_task then
    claimed, attempt = claimed_header(redis.call('HGET', tasks, next_task), queues[at], id, time)
  end
  if (task and not ended) or (next_task and not claimed) then
    return nil
  end

  local writes, lines = {}, {}
  if task then
    local status = ARGV[FIRST_FINISH + 2]
    writes, lines = { task, ended }, { time .. ' TASK_' .. WORDS[status] .. ' ' .. task }
    count_status(counters, status, 1)
    if waiter ~= '' then
      tell(waiter, task)
    end
  end
  if next_task then
    take_first(queues[at])
    writes[#writes + 1], writes[#writes + 2] = next_task, claimed
    lines[#lines + 1] = time .. ' TASK_START ' .. next_task
    count_status(counters, PENDING, -1)
  end
  if (task == nil) ~= (next_task == nil) then
    count_status(counters, RUNNING, task and -1 or 1)
  end
  if #writes > 0 then
    redis.call('HSET', tasks, unpack(writes))
    write_log(log, lines)
  end
  -- The queues before this one are empty.
  for i = at, woken and #queues or 0 do
    if i == at and #waiting > 1 or i > at and #first_waiting(queues[i], 1) > 0 then
      wake(queues[i])
    end
  end
  record.sequence, record.n_open, record.held = sequence, 0, next_task or ''
  record.state = next_task and 'BUSY' or 'IDLE'
  write_worker(id, record)
  if not next_task then
    return { 'IDLE', 0, until_due, record.state, ms }
  end
  return { 'TASKS', 0, next_task, attempt, redis.call('HGET', bodies, next_task) }
end

local done = small_step()
if done then
  return done
end
