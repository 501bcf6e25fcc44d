-- Queue a chunk of tasks, with the objects they share, perhaps to wait for other tasks or a time.
-- Repeating it changes nothing.
-- KEYS: t b n o oref lab q k
-- ARGV: queue, watch, key prefix, number of objects m, number of parents p, whether to run although
--       a parent failed, 1 for the front of the queue, ms to wait, ms of server time to wait for,
--       rules, 1 if tasks have labels, then m * (hash, references, bytes or ''), p * parent, then
--       per task its id, its body and, if they have labels, its label
-- Returns: {0} queued; {1, hash...} these objects must be sent along, {2, id...} there are no such
--          parents: nothing was written; {3, (id, status)...} these parents failed: the tasks are
--          recorded as impossible; {4} the queue is no more: nothing was written.
local tasks, bodies, counters, objects, refs, labels, queue_key, wake = unpack(KEYS)
local queue, watch, prefix = ARGV[1], ARGV[2], ARGV[3]
local n_objects, n_parents, any = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local at_front, delay, start, rules = ARGV[7] == '1', tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local stride = ARGV[11] == '1' and 3 or 2
local first_object, first_parent = 12, 12 + 3 * n_objects
local first_task = first_parent + n_parents

local first = redis.call('HGET', tasks, ARGV[first_task])
if first and string.sub(first, 1, 1) ~= IMPOSSIBLE then
  return { 0 }
end
-- Keys written after somebody else destroyed the queue would stay for ever.
if redis.call('HEXISTS', prefix .. 'cfg', 'layout') == 0 then
  return { 4 }
end
local us = now_us()
if delay > 0 then
  start = math.floor(us / 1000) + delay
end
-- include: _parents.lua
if first then
  return #failed > 1 and failed or { 0 }
end
if #absent > 1 then
  return absent
end
local missing = { 1 }
for i = first_object, first_parent - 1, 3 do
  if ARGV[i + 2] == '' and redis.call('HEXISTS', objects, ARGV[i]) == 0 then
    missing[#missing + 1] = ARGV[i]
  end
end
if #missing > 1 then
  return missing
end

-- Should somebody else use the name, this fails before anything is written.
redis.call('LLEN', queue_key)
for i = first_object, first_parent - 1, 3 do
  if ARGV[i + 2] ~= '' then
    redis.call('HSETNX', objects, ARGV[i], ARGV[i + 2])
  end
  redis.call('HINCRBY', refs, ARGV[i], ARGV[i + 1])
end
local status = #failed > 1 and IMPOSSIBLE or n_waiting > 0 and DEFERRED or PENDING
local scheduled = status == PENDING and start > us / 1000
-- include: _defer.lua
-- include: _store.lua
if status == PENDING then
  if not scheduled then
    redis.call(at_front and 'LPUSH' or 'RPUSH', queue_key, unpack(at_front and reversed(ids) or ids))
  end
  -- A counter of 0 says that there is such a queue.
  redis.call('HINCRBY', counters, 'q:' .. queue, scheduled and 0 or n)
  -- Also for those scheduled: an idle worker must hear of the time to wake up at.
  redis.call('ZADD', wake, 0, 'w')
end
return status == IMPOSSIBLE and failed or { 0 }
