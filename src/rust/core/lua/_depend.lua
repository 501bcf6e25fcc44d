-- Part of worker_sweep.lua: tasks whose dependencies have ended, 256 of a set at a time.
-- ZSET dl: '<set>:<position>:<task>', the tasks of a set in the order they were submitted.

local function take_tasks(set)
  local list = prefix .. 'dl'
  local members = redis.call('ZREVRANGEBYLEX', list, '(' .. set .. ';', '[' .. set .. ':', 'LIMIT', 0, 256)
  if #members > 0 then
    redis.call('ZREM', list, unpack(members))
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
    redis.call('HDEL', prefix .. 'ds', set .. ':left', set .. ':any', set .. ':queue')
  end
end

-- All dependencies are complete: to the front of the queue, the last first, so that order is kept.
local function release_set(set)
  local queue = redis.call('HGET', prefix .. 'ds', set .. ':queue')
  local members, n = take_tasks(set), 0
  for _, id in ipairs(members) do
    local header = read_header(redis.call('HGET', tasks, id))
    -- One that was cancelled or deleted meanwhile stays so.
    if header and header[H_STATUS] == DEFERRED then
      header[H_STATUS] = PENDING
      write_header(tasks, id, header)
      redis.call('LPUSH', prefix .. 'q:' .. queue, id)
      n = n + 1
    end
  end
  if n > 0 then
    count(counters, 's:DEFERRED', -n)
    count(counters, 's:PENDING', n)
    count(counters, 'q:' .. queue, n)
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
