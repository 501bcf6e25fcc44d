-- Part of worker_sweep.lua: tasks whose dependencies have ended, 256 of a set at a time.
--
-- Invariant: tasks that are released by the end of one task are queued in the order in which they were
-- submitted. Each goes to the front, so the last goes first: of the sets that became due together, see
-- _due.lua, that with the greatest number, and of a set the last task. What is left of a set stays due
-- at the score it had, before the sets that were submitted earlier.
-- ZSET deferred: '<set>:<position>:<task>', the tasks of a set in the order they were submitted.
local sets = prefix .. KEY.sets

-- The next tasks of a set, last one first.
local function take_tasks(set)
  local after = redis.call('HGET', sets, set .. SET.AT)
  local high = after and '(' .. after or '(' .. set .. ';'
  local members = redis.call('ZREVRANGEBYLEX', prefix .. KEY.deferred, high, '[' .. set .. ':', 'LIMIT', 0, 256)
  if #members == 256 then
    redis.call('HSET', sets, set .. SET.AT, members[256])
  end
  for i, member in ipairs(members) do
    members[i] = string.sub(member, -ID_WIDTH)
  end
  return members
end

local function end_set(set, n_taken, kind, score)
  if n_taken == 256 then
    redis.call('ZADD', due, score, kind .. set)
  else
    redis.call('HDEL', sets, set .. SET.ANY, set .. SET.QUEUE, set .. SET.START, set .. SET.AT)
  end
end

-- All dependencies are complete: the tasks go to the front of the queue, last one first, which keeps
-- their order. If their start time has not been reached, they go into `due` instead, each with a
-- different time, because `due` sorts equal times by id.
local function release_set(set, score)
  local queue, start = nil, tonumber(redis.call('HGET', sets, set .. SET.START) or 0) or 0
  local members, queued, n = take_tasks(set), {}, 0
  for _, id in ipairs(members) do
    local header = load_header(tasks, id)
    -- A task that was cancelled or deleted in the meantime stays so.
    if header and header.status == DEFERRED then
      header.status, queue, n = PENDING, header.queue, n + 1
      if start > us / 1000 then
        -- As in _store.lua; sets are resolved in reverse order.
        schedule(id, header, start + place_in_set(header) / 1000)
      else
        queued[#queued + 1] = id
      end
      write_header(tasks, id, header)
    end
  end
  count_status(counters, DEFERRED, -n)
  count_status(counters, PENDING, n)
  if #queued > 0 then
    requeue(queue, queued)
  end
  end_set(set, #members, DUE.RELEASE, score)
end

-- A dependency has failed, and with it everything downstream, which becomes due in turn.
local function fail_set(set, score)
  local members = take_tasks(set)
  for _, id in ipairs(members) do
    local header = load_header(tasks, id)
    if header and header.status == DEFERRED then
      end_task(id, header, IMPOSSIBLE, us, events)
    end
  end
  end_set(set, #members, DUE.IMPOSSIBLE, score)
end
