-- Prepare a set for tasks with more parents than one script may handle: up to 500 parents per call, in
-- the order given. Repeating a call changes nothing.
-- KEYS: tasks counters config
-- ARGV: key prefix, the set or '' for a new number, how many parents earlier calls gave, how many there
--       are in all, 1 if the tasks run even if one fails, how many ms the set is kept, parents...
-- Returns: {0, number of the set}; {2, id...} there are no such parents, {4} the queue no longer exists,
--          {5} the set no longer exists: nothing was written; {3, (id, status)...} these parents failed.
--
-- Invariants: SIZE and OPEN count the submitter as a task, so the set and its parents stay until
-- close_set(), which a timer calls if the submitter stops. LEFT counts the parents that were given and
-- are open, plus 1 until all were given: the end of a parent between two calls counts as usual, but
-- cannot release the set early. GIVEN distinguishes a repeated call from a new one.
local tasks, counters, config = unpack(KEYS)
local prefix, set, before, total = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local run_on_failure, kept_ms, first_parent = ARGV[5] == '1', tonumber(ARGV[6]), 7
local sets = prefix .. KEY.sets

-- include: _header.lua
-- include: _parents.lua
-- include: _due.lua
if not queue_exists(config) then
  return { 4 }
end
if set == '' then
  -- If the reply is lost, the number is wasted, which costs nothing.
  return { 0, new_set() }
end
local found = redis.call('HMGET', sets, set .. SET.GIVEN, set .. SET.SIZE)
local given = tonumber(found[1] or 0)
if found[2] and not found[1] then
  -- Its tasks have been submitted since.
  return { 0, set }
end
if given < before then
  return { 5 }
end
local parents = read_parents(first_parent, #ARGV, run_on_failure, set)
local reply = #parents.failed > 1 and parents.failed or { 0, set }
if given > before then
  return reply
end
if #parents.absent > 1 then
  return parents.absent
end

given = before + #ARGV - first_parent + 1
local part = SET.ON
if before == 0 then
  redis.call('HSET', sets, set .. SET.SIZE, 1, set .. SET.OPEN, 1, set .. SET.LEFT, 1,
             set .. SET.ANY, run_on_failure and 1 or 0)
else
  part = SET.ON .. redis.call('HINCRBY', sets, set .. SET.PARTS, 1)
end
redis.call('HSET', sets, set .. SET.GIVEN, given, set .. part, link_parents(set, parents))
make_due(now_us() + 1000 * kept_ms, DUE.PREPARED, set)
if #parents.failed > 1 then
  redis.call('HDEL', sets, set .. SET.LEFT)
  redis.call('HSETNX', sets, set .. SET.FAILED, parents.failed[2])
elseif redis.call('HEXISTS', sets, set .. SET.LEFT) == 1 then
  local n_new = parents.n_waiting - (given == total and 1 or 0)
  if redis.call('HINCRBY', sets, set .. SET.LEFT, n_new) == 0 then
    redis.call('HDEL', sets, set .. SET.LEFT)
  end
end
return reply
