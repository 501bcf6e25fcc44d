-- Part of task_submit.lua: the tasks of a chunk are one set, so that n tasks on m parents cost
-- n + m entries. What waits is worked off by _depend.lua; the entries stay until the tasks are
-- deleted, and say until then what depends on what.

local function join_set(n_tasks)
  local set, sets = redis.call('HINCRBY', counters, 'set', 1), prefix .. 'ds'
  local ids, n_waiting = {}, 0
  -- One by one: a task may depend on more tasks than one command takes arguments from Lua.
  for i, parent in ipairs(parents) do
    local waits = not parent.ended
    n_waiting = n_waiting + (waits and 1 or 0)
    ids[i] = parent.id
    redis.call('ZADD', prefix .. 'dn', 0, parent.id .. (waits and ':' or '+') .. set)
    if not has_flag(parent.header, FLAG_PARENT) then
      add_flag(parent.header, FLAG_PARENT)
      write_header(tasks, parent.id, parent.header)
    end
  end
  redis.call('HSET', sets, set .. ':n', n_tasks, set .. ':open', n_tasks, set .. ':on', table.concat(ids))
  if n_waiting > 0 then
    redis.call('HSET', sets, set .. ':left', n_waiting, set .. ':any', any, set .. ':queue', queue,
               set .. ':start', start)
  end
  return set
end
