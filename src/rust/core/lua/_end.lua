-- What follows from the end of a task. Uses prefix, tasks and counters of the script. _depend.lua
-- resolves sets of tasks that depend on the same others; for rules see rules.rs.

-- include: _due.lua
-- include: _header.lua
-- include: _queue.lua

local R_TTL, R_ATTEMPTS, R_DELAY, R_FACTOR, R_LONGEST, R_CAUSES, R_LOST = 1, 2, 3, 4, 5, 6, 7
local CAUSES = { [ERROR] = 1, [DIED] = 2, [TIMEOUT] = 4 }

local function read_rules(header)
  local rules = {}
  for number in string.gmatch(header.rules, '%d+') do
    rules[#rules + 1] = tonumber(number)
  end
  return rules
end

-- After how many ms a task that ended this way is retried; nil if it is not.
local function retry_delay(id, header, status)
  local cause = CAUSES[status]
  if header.rules == '' or not cause or has_flag(header, FLAG_CANCEL) then
    return nil
  end
  local rules, attempt = read_rules(header), tonumber(header.attempt)
  if attempt >= rules[R_ATTEMPTS] or math.floor(rules[R_CAUSES] / cause) % 2 == 0 then
    return nil
  end
  local longest = rules[R_LONGEST]
  local delay = math.min(rules[R_DELAY] * (rules[R_FACTOR] / 1000) ^ (attempt - 1), longest)
  -- A jitter of up to a quarter, derived from the id: tasks that failed together should not come back
  -- together. At the maximum delay it can only shorten the delay.
  local least, most = 0.75 * delay, math.min(1.25 * delay, longest)
  local at = attempt % (ID_WIDTH - 4) + 1
  return math.floor(least + (most - least) * tonumber(string.sub(id, at, at + 3), 16) / 65536)
end

-- Back to the queue after a failed attempt, which is recorded.
-- HASH attempts: '<id>:<attempt>' -> status, worker, start, end, result, as lines.
local function retry_task(id, header, status, result, delay, us)
  local record = { status, header.worker, header.start, header.ended, result }
  redis.call('HSET', prefix .. KEY.attempts, id .. ':' .. header.attempt, table.concat(record, '\n'))
  header.status, header.worker, header.start, header.ended = PENDING, '', '0', '0'
  reset_flags(header)
  if delay > 0 then
    schedule(id, header, math.floor(us / 1000) + delay)
  else
    enqueue(header.queue, { id })
  end
end

-- Notify the sets that wait for this task of its end, at most 256 of them now. Returns whether these
-- were all. For the links of a task see _links.lua.
--
-- Invariant: SET.LEFT counts the ':' links to a set, and exists only while the set is undecided. Counting
-- down and marking the link are in one script, so a set is counted once per task, however often the rest
-- is continued (DUE.COMPLETE, DUE.FAILED). Deciding a set deletes LEFT: neither the last success after a
-- failure nor a second failure may decide it again, which would release tasks that are IMPOSSIBLE. A
-- decided set only becomes due: if its tasks were resolved here, the end of one task would cost as much as
-- everything that depends on it. The timer and the deletion of LEFT are one step, so if the process dies
-- now, the next sweep resolves the set; without the timer its tasks would stay DEFERRED.
local function notify_sets(id, ok, us)
  local low, sets, notified = '[' .. id .. ':', prefix .. KEY.sets, {}
  -- Last one first, the order in which they are resolved.
  local links = redis.call('ZREVRANGEBYLEX', prefix .. KEY.dependents, '(' .. id .. ';', low, 'LIMIT', 0, 256)
  for i, link in ipairs(links) do
    local set = string.sub(link, ID_WIDTH + 2)
    notified[2 * i - 1], notified[2 * i] = 0, id .. '+' .. set
    local waits = redis.call('HEXISTS', sets, set .. SET.LEFT) == 1
    if waits and (ok or redis.call('HGET', sets, set .. SET.ANY) == '1') then
      if redis.call('HINCRBY', sets, set .. SET.LEFT, -1) == 0 then
        redis.call('HDEL', sets, set .. SET.LEFT)
        make_due_at_once(us, DUE.RELEASE, set)
      end
    elseif waits then
      -- No later end of another task may release what is now impossible.
      redis.call('HDEL', sets, set .. SET.LEFT)
      redis.call('HSET', sets, set .. SET.FAILED, id)
      make_due_at_once(us, DUE.IMPOSSIBLE, set)
    end
  end
  if #links > 0 then
    redis.call('ZREM', prefix .. KEY.dependents, unpack(links))
    redis.call('ZADD', prefix .. KEY.dependents, unpack(notified))
  end
  if #links < 256 then
    return true
  end
  make_due_at_once(us, ok and DUE.COMPLETE or DUE.FAILED, id)
  return false
end

-- One of the tasks of a set has ended, or is to be retried after its end; how many are open now.
local function count_open(header, by)
  local set = set_of(header)
  return set and redis.call('HINCRBY', prefix .. KEY.sets, set .. SET.OPEN, by)
end

-- What follows from the end of any task. Its header must be written by the caller. If what is stored for its
-- dependants cannot be read, only these wait, for rrq_doctor().
local function task_ended(id, header, ok, us)
  if has_flag(header, FLAG_PARENT) then
    pcall(notify_sets, id, ok, us)
  end
  pcall(count_open, header, -1)
  local ttl = header.rules ~= '' and read_rules(header)[R_TTL] or 0
  if ttl > 0 then
    make_due(us + 1000 * ttl, DUE.EXPIRY, id)
  end
end

-- End a task without a value (its worker was lost, it was cancelled, ...).
local function end_task(id, header, status, us, events)
  count_status(counters, header.status, -1)
  count_status(counters, status, 1)
  note_event(events, header.waiters, id, status)
  header.status, header.ended = status, digits(us)
  task_ended(id, header, false, us)
  write_header(tasks, id, header)
end

-- The header of a task that had this status cannot be read. Waiters find out when they next read the
-- statuses, because their numbers are lost with it.
local function quarantine(id, status, us)
  local header = damaged_header()
  count_status(counters, status, -1)
  count_status(counters, ERROR, 1)
  header.ended = digits(us)
  pcall(notify_sets, id, false, us)
  write_header(tasks, id, header)
end
