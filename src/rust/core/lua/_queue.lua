-- The lists of waiting tasks, and their wake markers. No other file touches a list, its marker or its
-- counter. Uses prefix, tasks and counters of the script.
--
-- Invariants: a task that is_queued() is in the list of its queue and is counted once. A list may also
-- hold ids of tasks that no longer wait there: cancelling, deleting or removing a task leaves its id in
-- the list, and the next claim that finds it drops it. Adding to a list sets the marker, which wakes one
-- worker; that worker's next step sets it again while the list is not empty.

-- include: _due.lua
-- include: _header.lua

local STALE_MAX = 2048
local n_stale, n_paused = 0, nil

local function list_of(queue)
  return prefix .. KEY.queue .. queue
end

local function wake(queue)
  add_hint('ZADD', prefix .. KEY.wake .. queue, '0', 'w')
end

local function count_queue(queue, by)
  count(counters, FIELD.QUEUE .. queue, by)
end

-- Add tasks to the back of a queue.
local function enqueue(queue, ids)
  redis.call('RPUSH', list_of(queue), unpack(ids))
  count_queue(queue, #ids)
  wake(queue)
end

-- Add tasks to the front of a queue, last one first: the last of `ids` is the next to run.
local function requeue(queue, ids)
  redis.call('LPUSH', list_of(queue), unpack(ids))
  count_queue(queue, #ids)
  wake(queue)
end

-- Before anything is written: fails if somebody else uses the name of the list.
local function check_queue(queue)
  redis.call('LLEN', list_of(queue))
end

-- A task is PENDING, but goes to its queue only at `ms` of server time.
local function schedule(id, header, ms)
  add_flag(header, FLAG_SCHEDULED)
  redis.call('ZADD', prefix .. KEY.due, ms, DUE.SCHEDULED .. id)
  -- An idle worker must learn when to wake up.
  wake(header.queue)
end

-- The same for new tasks: `timers` are pairs of a time and a member of `due`. A counter of 0 says that
-- there is such a queue, so that its marker is deleted with it.
local function schedule_new(queue, timers)
  redis.call('ZADD', prefix .. KEY.due, unpack(timers))
  redis.call('HINCRBY', counters, FIELD.QUEUE .. queue, 0)
  wake(queue)
end

-- `n` tasks no longer wait, for reasons other than a claim. The list and the marker are removed with the
-- last one; tasks that were only scheduled (n = 0) have also set the marker.
local function leave_queue(queue, n)
  count_queue(queue, -n)
  if (redis.call('HGET', counters, FIELD.QUEUE .. queue) or '0') == '0' then
    redis.call('UNLINK', list_of(queue), prefix .. KEY.wake .. queue)
  end
end

-- A scheduled task will not go to its queue.
local function unschedule(id, header)
  redis.call('ZREM', prefix .. KEY.due, DUE.SCHEDULED .. id)
  drop_flag(header, FLAG_SCHEDULED)
  leave_queue(header.queue, 0)
end

local function is_paused(queue)
  n_paused = n_paused or redis.call('HGET', counters, FIELD.PAUSED) or '0'
  return n_paused ~= '0' and redis.call('HEXISTS', prefix .. KEY.config, FIELD.PAUSE .. queue) == 1
end

-- The first few ids in the list of a queue. If something else has taken its name, workers go on with their
-- other queues.
local function first_waiting(queue, n)
  local ids = redis.pcall('LRANGE', list_of(queue), '0', n - 1)
  return failed(ids) and {} or ids
end

-- All ids in the list of a queue, and how many tasks wait there.
local function all_listed(queue)
  local n = redis.call('HGET', counters, FIELD.QUEUE .. queue) or '0'
  return redis.call('LRANGE', list_of(queue), 0, -1), n
end

local function is_listed(queue, id)
  return redis.call('LPOS', list_of(queue), id)
end

-- A marker wakes one worker, which calls this to wake the next one while there is work left.
local function wake_next(queue)
  if #first_waiting(queue, 1) > 0 and not is_paused(queue) then
    wake(queue)
  end
end

-- The first one is claimed.
local function take_first(queue)
  redis.call('LPOP', list_of(queue))
  count_queue(queue, -1)
end

-- Drop stale ids at the head of a list, many at a time.
local function skip_stale(queue)
  local ids, stale = redis.call('LRANGE', list_of(queue), 0, 255), 0
  for i, packed in ipairs(#ids > 0 and redis.call('HMGET', tasks, unpack(ids)) or {}) do
    local header = read_header(packed)
    if header and header.queue == queue and is_queued(header) then
      break
    end
    stale = i
  end
  redis.call('LTRIM', list_of(queue), stale, -1)
  n_stale = n_stale + stale
end

-- The header of a task once a worker has claimed it from this queue, and which attempt that is; nil if it
-- does not wait there.
local function claim_header(packed, queue, worker, start)
  local claimed, attempt = claimed_header(packed, queue, worker, start)
  if claimed then
    return claimed, attempt
  end
  local header = read_header(packed)
  if header and header.queue == queue and is_queued(header) then
    header.status, header.worker, header.start = RUNNING, worker, start
    header.attempt = digits(header.attempt + 1)
    return pack_header(header), header.attempt
  end
end

-- Take up to n tasks from the head of a queue for a worker: their ids, their changed headers, and which
-- attempt each is. The next value says that only stale ids were found, as many as one call skips: there may
-- be tasks behind them. The last one has the ids of tasks whose headers cannot be read.
local function claim(queue, n, worker, start)
  local list, damaged = list_of(queue), {}
  -- Tiny tasks travel in batches, but never more than a fair part of what is waiting.
  if n > 1 then
    local length = redis.pcall('LLEN', list)
    n = failed(length) and 1 or math.min(n, math.max(1, math.floor(length / 4)))
  end
  local ids, headers, attempts, seen, taken = {}, {}, {}, {}, 0
  while taken < n and n_stale < STALE_MAX do
    local popped = redis.pcall('LPOP', list, n - taken)
    if not popped or failed(popped) then
      break
    end
    local before = taken
    for i, packed in ipairs(redis.call('HMGET', tasks, unpack(popped))) do
      local id = popped[i]
      -- The list is a hint: only the header says whether the task still waits here.
      local header, attempt = claim_header(packed, queue, worker, start)
      if header and not seen[id] then
        seen[id] = true
        taken = taken + 1
        ids[taken], headers[taken], attempts[taken] = id, header, attempt
      elseif packed and read_header(packed).is_damaged then
        damaged[#damaged + 1] = id
      end
    end
    if taken == before then
      skip_stale(queue)
    end
  end
  count_queue(queue, -taken)
  local more = taken == 0 and n_stale >= STALE_MAX
  if more then
    wake(queue)
  end
  return ids, headers, attempts, more, damaged
end
