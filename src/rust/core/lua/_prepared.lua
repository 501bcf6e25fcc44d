-- Part of task_submit.lua: the state of a set that set_prepare.lua has prepared.

-- The dependency whose failure made a set impossible, as the reply that names it. It may have been
-- retried since, or deleted.
local function failed_reply(id)
  local status = status_of(redis.call('HGET', tasks, id))
  if status == MOVED then
    status = string.sub(redis.call('HGET', prefix .. KEY.moved, id), -1)
  end
  return { 3, id, status and WORDS[status] or 'MISSING' }
end

-- What read_parents() returns for other sets, but without the tasks, which are already linked.
local function read_prepared(set)
  local found = redis.call('HMGET', prefix .. KEY.sets, set .. SET.GIVEN, set .. SET.LEFT, set .. SET.FAILED)
  return { is_gone = not found[1], n_waiting = tonumber(found[2] or 0), absent = { 2 },
           failed = found[3] and failed_reply(found[3]) or { 3 } }
end
