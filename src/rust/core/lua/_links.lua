-- The links that say which sets of tasks depend on a task. They stay until the task is deleted, or the
-- last task of the set. Uses prefix of the script.
-- ZSET dependents: '<task>:<set>' while the set is to be notified of the task's end, '<task>+<set>'
-- when it was, '<task>-<set>' when its tasks were seen to have ended.

-- include: _due.lua

-- Whether a task that depends on this one has not ended. Of many sets, 256 are looked at; the second
-- value says that there may be more, the third is how many were. Those whose tasks have ended need no
-- second look.
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
    make_due(us, DUE.LINKS, id)
  end
end

-- Remove the links to a set that no longer exists, those of 1000 tasks it depended on a script.
local n_left = 0
local function leave_parents(set, us)
  local sets, links = prefix .. KEY.sets, {}
  local on = redis.call('HGET', sets, set .. SET.ON) or ''
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
  if n == #on then
    redis.call('HDEL', sets, set .. SET.ON)
  else
    redis.call('HSET', sets, set .. SET.ON, string.sub(on, n + 1))
    make_due(us, DUE.SET, set)
  end
end

-- A task that depended on others no longer exists; with the last one goes its set.
local function leave_set(id, header, us)
  local set, sets = set_of(header), prefix .. KEY.sets
  if not set then
    return
  end
  redis.call('ZREM', prefix .. KEY.deferred, header.set .. ':' .. id)
  if redis.call('HINCRBY', sets, set .. SET.SIZE, -1) > 0 then
    return
  end
  redis.call('HDEL', sets, set .. SET.SIZE, set .. SET.OPEN, set .. SET.LEFT, set .. SET.FAILED,
             set .. SET.ANY, set .. SET.QUEUE, set .. SET.START, set .. SET.AT)
  leave_parents(set, us)
end
