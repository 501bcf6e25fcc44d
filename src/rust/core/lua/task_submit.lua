-- Queue a chunk of tasks with the objects they share; they may have to wait for other tasks or a time.
-- Repeating it changes nothing.
-- KEYS: tasks bodies counters objects object_refs labels config, and the queue's list and marker
-- ARGV: options, see ChunkOptions in task/submit.rs; n_objects * (hash, references, bytes or ''),
--       n_parents * parent, then per task its id, its body and, if they have labels, its label
-- Returns: {0} queued; {1, hash...} these objects must be sent along, {2, id...} there are no such
--          parents: nothing was written; {3, (id, status)...} these parents failed: the tasks are
--          recorded as impossible; {4} the queue no longer exists, {5} the set that was prepared no
--          longer exists: nothing was written.
local tasks, bodies, counters, objects, refs, labels, config = unpack(KEYS)
local options = cmsgpack.unpack(ARGV[1])
local prefix, queue, waiters, rules = options.prefix, options.queue, options.waiters, options.rules
local token, number = options.token, options.number
local stride = options.has_labels and 3 or 2
local first_object, first_parent = 2, 2 + 3 * options.n_objects
local first_task = first_parent + options.n_parents

-- include: _header.lua
-- include: _object.lua
-- include: _queue.lua
-- include: _submitter.lua
local first = status_of(redis.call('HGET', tasks, ARGV[first_task]))
if first and first ~= IMPOSSIBLE then
  return { 0 }
end
local found = redis.call('HMGET', config, FIELD.LAYOUT, submitter)
-- Keys written after somebody else has destroyed the queue would stay for ever.
if not found[1] then
  return { 4 }
end
-- If the tasks are impossible, a copy gets the reply that was lost.
if not first and is_copy(found[2]) then
  return { 0 }
end
local us = now_us()
local start = options.delay_ms > 0 and math.floor(us / 1000) + options.delay_ms or options.start_ms
if start > 0 then
  -- Times of the tasks of a submission are a microsecond apart, so that they are queued in its order.
  start = start + options.n_before / 1000
end
-- include: _parents.lua
-- include: _prepared.lua
local parents = options.set ~= '' and read_prepared(options.set)
  or read_parents(first_parent, first_task - 1, options.run_on_failure)
local failed = #parents.failed > 1 and parents.failed
if first then
  return failed or { 0 }
end
if parents.is_gone then
  return { 5 }
end
if #parents.absent > 1 then
  return parents.absent
end
local missing = { 1 }
for i = first_object, first_parent - 1, 3 do
  if ARGV[i + 2] == '' and not has_object(ARGV[i]) then
    missing[#missing + 1] = ARGV[i]
  end
end
if #missing > 1 then
  return missing
end

check_queue(queue)
record_request(us)
for i = first_object, first_parent - 1, 3 do
  if ARGV[i + 2] ~= '' then
    redis.call('HSETNX', objects, ARGV[i], ARGV[i + 2])
  end
  if ARGV[i + 2] == '' then
    -- From now on these tasks keep it.
    redis.call('ZREM', prefix .. KEY.due, DUE.OBJECT .. ARGV[i])
  end
  redis.call('HINCRBY', refs, ARGV[i], ARGV[i + 1])
end
local status = failed and IMPOSSIBLE or parents.n_waiting > 0 and DEFERRED or PENDING
local scheduled = status == PENDING and start > us / 1000

local function reversed(items)
  local turned = {}
  for i, item in ipairs(items) do
    turned[#items + 1 - i] = item
  end
  return turned
end
-- include: _defer.lua
-- include: _store.lua
return failed or { 0 }
