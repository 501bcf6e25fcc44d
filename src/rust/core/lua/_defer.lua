-- Part of task_submit.lua: the tasks of a chunk join a set, so that n tasks on m parents cost n + m
-- entries. What waits is worked off by _depend.lua; the entries stay until the tasks are deleted, and
-- say until then what depends on what: bodies name only the parents whose values are handed over.
--
-- Invariants: a call links at most 500 parents. With so few, each chunk is a set of its own, linked by
-- the script that queues its tasks. With more, or to the front of a queue, all chunks of a submission share
-- a set that set_prepare.lua has linked before; that set counts the submitter as one of its tasks until
-- set_close.lua, or a timer, takes it off. Tasks join a set that waits (LEFT) as DEFERRED, one that has
-- failed (FAILED) as IMPOSSIBLE, and any other as PENDING; so a set that is released or failed while
-- its last tasks are still to come need not be worked off twice.

-- So long a prepared set waits for the next request of its submitter.
local HOLD_US = 1000 * options.kept_ms

local function hold_set(set)
  make_due(us + HOLD_US, DUE.PREPARED, set)
end

-- With the tasks of one set in the order they were submitted, whichever chunk comes first.
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
