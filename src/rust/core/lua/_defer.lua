-- Part of task_submit.lua: the tasks of a chunk join a set, so that n tasks with m parents cost n + m
-- entries. _depend.lua resolves waiting tasks; the entries stay until the tasks are deleted, and record
-- until then what depends on what: bodies name only the parents whose values are passed on.
--
-- Invariants: a call links at most 500 parents. With no more than that, each chunk is a separate set,
-- linked by the script that queues its tasks. With more, or at the front of a queue, all chunks of a
-- submission share a set that set_prepare.lua has linked before; that set counts the submitter as one of
-- its tasks until set_close.lua, or a timer, removes it. Tasks join a waiting set (LEFT) as DEFERRED, a
-- failed one (FAILED) as IMPOSSIBLE, and any other as PENDING; so a set that is released or fails before
-- its last tasks arrive need not be resolved twice.

-- How long a prepared set waits for the next request of its submitter.
local HOLD_US = 1000 * options.kept_ms

local function hold_set(set)
  make_due(us + HOLD_US, DUE.PREPARED, set)
end

-- Keeps the tasks of a set in the order of submission, whichever chunk comes first.
local function place_in(set, n)
  local n_before = options.set == '' and 0 or options.position
  return string.format('%s:%09d', set, n_before + n)
end

local function join_set(n_tasks)
  local set, sets = options.set, prefix .. KEY.sets
  local n_open = status == IMPOSSIBLE and 0 or n_tasks
  if set == '' then
    set = new_set()
    redis.call('HSET', sets, set .. SET.SIZE, n_tasks, set .. SET.OPEN, n_open,
               set .. SET.ON, link_parents(set, parents))
    if status == IMPOSSIBLE then
      redis.call('HSET', sets, set .. SET.FAILED, parents.failed[2])
    elseif status == DEFERRED then
      redis.call('HSET', sets, set .. SET.LEFT, parents.n_waiting, set .. SET.ANY, options.run_on_failure and 1 or 0)
    end
  else
    redis.call('HINCRBY', sets, set .. SET.SIZE, n_tasks)
    redis.call('HINCRBY', sets, set .. SET.OPEN, n_open)
    hold_set(set)
  end
  if status == DEFERRED then
    redis.call('HSET', sets, set .. SET.QUEUE, queue, set .. SET.START, start)
  end
  return set
end
