-- Part of task_submit.lua: the tasks of a chunk wait as one set, so that n tasks on m parents cost
-- n + m entries. The sets are worked off by _depend.lua.

local function defer(ids)
  local set = redis.call('HINCRBY', counters, 'set', 1)
  redis.call('HSET', prefix .. 'ds', set .. ':left', #waiting, set .. ':any', any, set .. ':queue', queue)
  local members = {}
  -- One by one: a task may depend on more tasks than one command takes arguments from Lua.
  for _, parent in ipairs(waiting) do
    redis.call('ZADD', prefix .. 'dn', 0, parent[1] .. ':' .. set)
    add_flag(parent[2], FLAG_PARENT)
    write_header(tasks, parent[1], parent[2])
  end
  for i, id in ipairs(ids) do
    members[2 * i - 1], members[2 * i] = 0, string.format('%d:%04d:%s', set, i, id)
  end
  redis.call('ZADD', prefix .. 'dl', unpack(members))
end
