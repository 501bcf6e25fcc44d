-- Part of task_submit.lua: the tasks of a chunk are one set, so that n tasks on m parents cost
-- n + m entries. What waits is worked off by _depend.lua; the entries stay until the tasks are
-- deleted, and say until then what depends on what.

local function join_set(n_tasks)
  local set, sets = redis.call('HINCRBY', counters, FIELD.SET, 1), prefix .. KEY.sets
  local ids = {}
  -- One by one: a task may depend on more tasks than one command takes arguments from Lua.
  for i, parent in ipairs(parents) do
    ids[i] = parent.id
    redis.call('ZADD', prefix .. KEY.dependents, 0, parent.id .. (parent.ended and '+' or ':') .. set)
    if not has_flag(parent.header, FLAG_PARENT) then
      add_flag(parent.header, FLAG_PARENT)
      write_header(tasks, parent.id, parent.header)
    end
  end
  redis.call('HSET', sets, set .. SET.SIZE, n_tasks, set .. SET.OPEN, n_tasks, set .. SET.ON, table.concat(ids))
  if n_waiting > 0 then
    redis.call('HSET', sets, set .. SET.LEFT, n_waiting, set .. SET.ANY, options.run_on_failure and 1 or 0,
               set .. SET.QUEUE, queue, set .. SET.START, start)
  end
  return set
end
