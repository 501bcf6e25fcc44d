-- The links that say which sets of tasks depend on a task. They stay until the task is deleted, or the
-- last task of the set. Uses prefix of the script.
-- ZSET dependents: '<task>:<set>' until the set is notified of the task's end, then '<task>+<set>', and
-- '<task>-<set>' once the tasks of the set are known to have ended.
--
-- Invariants: a set has one link from each task in its parts of ':on', in one of the three forms, until
-- that task is deleted. A set exists while SIZE > 0: it counts its tasks and, while it is prepared, its
-- submitter. OPEN counts those of them that have not ended; while it is not 0, no parent expires. LEFT,
-- while the set waits, is the number of its ':' links, plus one until all its parents were given.
-- Code that goes through the parents of a set handles one part per call, at most 500.
--
-- Who changes a link, and when:
--   ':' to '+'  notify_sets() in _end.lua only, as it counts down the set
--   '+' to '-'  is_needed(), when it has seen many sets whose tasks have ended
--   '-' to '+'  need_parents(), when a task of such a set is to run again
--   removed     drop_links(), the task was deleted: '+' and '-', never ':'
--               leave_parents(), the last task of the set was deleted: whatever the mark
-- A link outlives the notification because it still records who depends on the task, that its value may
-- be fetched, and what to remove with the set. It gets another mark so that notification, which stops
-- after 256 sets, continues with the remaining ':' links and counts no set down twice. In between, the
-- task may be deleted or the sweeping process may end: the timer DUE.COMPLETE or DUE.FAILED and the ':'
-- links are then the only record of the end. If they were removed with the task, their sets would stay
-- DEFERRED for ever; go_on_notifying() in worker_sweep.lua removes them when the last set is notified.
-- The mark '-' bounds the work: expiry checks twice whether a task is needed, when it is named and when
-- it is deleted, and without the mark each check would read the same resolved sets again. The marks sort
-- as + , - : ; and the ranges below rely on that.

-- include: _due.lua

-- Whether a task that depends on this one has not ended. At most 256 sets are read; the second value says
-- whether there may be more, the third is how many were read. Sets whose tasks have ended are not read
-- again.
local function is_needed(id)
  local links, fields, closed = prefix .. KEY.dependents, {}, {}
  local found = redis.call('ZRANGEBYLEX', links, '[' .. id .. '+', '(' .. id .. ',', 'LIMIT', 0, 256)
  for i, link in ipairs(found) do
    local set = string.sub(link, ID_WIDTH + 2)
    fields[i], closed[2 * i - 1], closed[2 * i] = set .. SET.OPEN, 0, id .. '-' .. set
  end
  for _, open in ipairs(#found > 0 and redis.call('HMGET', prefix .. KEY.sets, unpack(fields)) or {}) do
    if open and tonumber(open) > 0 then
      return true, false, #found
    end
  end
  if #redis.call('ZRANGEBYLEX', links, '[' .. id .. ':', '(' .. id .. ';', 'LIMIT', 0, 1) > 0 then
    return true, false, #found
  end
  if #found >= 32 then
    redis.call('ZREM', links, unpack(found))
    redis.call('ZADD', links, unpack(closed))
  end
  return false, #found == 256, #found
end

-- Remove the links of a task that no longer exists, 1000 at a time; but not those to sets that are
-- still to be notified of its end.
local function drop_links(id, us)
  local links = prefix .. KEY.dependents
  local found = redis.call('ZRANGEBYLEX', links, '[' .. id .. '+', '(' .. id .. ':', 'LIMIT', 0, 1000)
  if #found > 0 then
    redis.call('ZREM', links, unpack(found))
  end
  if #found == 1000 then
    make_due_at_once(us, DUE.LINKS, id)
  end
end

-- The parents of a set in part k, and the field that holds them; nothing after the last part.
-- HASH sets: '<set>:on', then '<set>:on1', ... up to the number in '<set>:parts'. Only set_prepare.lua
-- writes more than one part.
local function parents_in(set, k)
  local field = set .. SET.ON .. (k > 0 and digits(k) or '')
  return redis.call('HGET', prefix .. KEY.sets, field), field
end

-- Remove the links to a set that no longer exists, from at most 1000 tasks per script: one part per
-- call, the last part first.
local n_left = 0
local function leave_parents(set, us)
  local sets, links = prefix .. KEY.sets, {}
  local k = tonumber(redis.call('HGET', sets, set .. SET.PARTS) or 0)
  local on, field = parents_in(set, k)
  on = on or ''
  local n = math.min(#on, (1000 - n_left) * ID_WIDTH)
  for i = 1, n, ID_WIDTH do
    local parent = string.sub(on, i, i + ID_WIDTH - 1)
    local at = #links
    links[at + 1], links[at + 2] = parent .. ':' .. set, parent .. '+' .. set
    links[at + 3] = parent .. '-' .. set
  end
  n_left = n_left + n / ID_WIDTH
  if #links > 0 then
    redis.call('ZREM', prefix .. KEY.dependents, unpack(links))
  end
  if n < #on then
    redis.call('HSET', sets, field, string.sub(on, n + 1))
    make_due_at_once(us, DUE.SET, set)
  elseif k > 0 then
    redis.call('HDEL', sets, field)
    redis.call('HSET', sets, set .. SET.PARTS, k - 1)
    make_due_at_once(us, DUE.SET, set)
  else
    redis.call('HDEL', sets, field, set .. SET.PARTS)
  end
end

-- A set marked as ended has open tasks again, so its parents are needed again: those of part k at once,
-- later parts as they become due.
local function need_parents(set, k, us)
  local links, on = prefix .. KEY.dependents, parents_in(set, k)
  if not on then
    return
  end
  for at = 1, #on, ID_WIDTH do
    local parent = string.sub(on, at, at + ID_WIDTH - 1)
    if redis.call('ZREM', links, parent .. '-' .. set) == 1 then
      redis.call('ZADD', links, 0, parent .. '+' .. set)
    end
  end
  if k < tonumber(redis.call('HGET', prefix .. KEY.sets, set .. SET.PARTS) or 0) then
    make_due_at_once(us, DUE.NEEDED, set .. ':' .. digits(k + 1))
  end
end

-- Remove one of those that a set counts: a task or the submitter. The set is removed with the last one.
-- Returns whether it was.
local function shrink_set(set, us)
  local sets = prefix .. KEY.sets
  if redis.call('HINCRBY', sets, set .. SET.SIZE, -1) > 0 then
    return false
  end
  redis.call('HDEL', sets, set .. SET.SIZE, set .. SET.OPEN, set .. SET.LEFT, set .. SET.FAILED,
             set .. SET.ANY, set .. SET.QUEUE, set .. SET.START, set .. SET.AT)
  leave_parents(set, us)
  return true
end

-- A task that depended on others no longer exists.
local function leave_set(id, header, us)
  local set = set_of(header)
  if set then
    redis.call('ZREM', prefix .. KEY.deferred, header.set .. ':' .. id)
    shrink_set(set, us)
  end
end

-- The submitter of a prepared set adds no more tasks to it, or has gone. GIVEN exists until then, so that
-- the submitter is removed only once. Returns whether the set was removed with it.
local function close_set(set, us)
  local sets = prefix .. KEY.sets
  if redis.call('HDEL', sets, set .. SET.GIVEN) == 0 then
    return false
  end
  redis.call('ZREM', prefix .. KEY.due, DUE.PREPARED .. set)
  redis.call('HINCRBY', sets, set .. SET.OPEN, -1)
  return shrink_set(set, us)
end
