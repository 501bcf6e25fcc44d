-- Part of worker_sweep.lua: tasks whose dependencies have ended, 256 of a set at a time.
-- ZSET dl: '<set>:<position>:<task>', the tasks of a set in the order they were submitted.
local sets = prefix .. 'ds'

-- The next tasks of a set, the last first.
local function take_tasks(set)
  local after = redis.call('HGET', sets, set .. ':at')
  local high = after and '(' .. after or '(' .. set .. ';'
  local members = redis.call('ZREVRANGEBYLEX', prefix .. 'dl', high, '[' .. set .. ':', 'LIMIT', 0, 256)
  if #members == 256 then
    redis.call('HSET', sets, set .. ':at', members[256])
  end
  for i, member in ipairs(members) do
    members[i] = string.sub(member, -ID_WIDTH)
  end
  return members
end

local function end_set(set, n_taken, kind)
  if n_taken == 256 then
    make_due(prefix, us, kind .. ':' .. set)
  else
    redis.call('HDEL', sets, set .. ':any', set .. ':queue', set .. ':start', set .. ':at')
  end
end

-- All dependencies are complete: to the front of the queue, the last first, so that order is kept;
-- or to where tasks wait whose time has not come.
local function release_set(set)
  local found = redis.call('HMGET', sets, set .. ':queue', set .. ':start')
  local queue, start = found[1], tonumber(found[2] or 0)
  local members, n, queued = take_tasks(set), 0, 0
  for _, id in ipairs(members) do
    local header = read_header(redis.call('HGET', tasks, id))
    -- One that was cancelled or deleted meanwhile stays so.
    if header and header[H_STATUS] == DEFERRED then
      header[H_STATUS], n = PENDING, n + 1
      if start > us / 1000 then
        schedule(prefix, id, header, start)
      else
        queued = queued + 1
        redis.call('LPUSH', prefix .. 'q:' .. queue, id)
      end
      write_header(tasks, id, header)
    end
  end
  count(counters, 's:DEFERRED', -n)
  count(counters, 's:PENDING', n)
  if queued > 0 then
    count(counters, 'q:' .. queue, queued)
    redis.call('ZADD', prefix .. 'k:' .. queue, 0, 'w')
  end
  end_set(set, #members, 'R')
end

-- One dependency has failed: so has everything downstream, which becomes due in turn.
local function fail_set(set)
  local members = take_tasks(set)
  for _, id in ipairs(members) do
    local header = read_header(redis.call('HGET', tasks, id))
    if header and header[H_STATUS] == DEFERRED then
      end_task(keys, id, header, IMPOSSIBLE, us, events)
    end
  end
  end_set(set, #members, 'I')
end
