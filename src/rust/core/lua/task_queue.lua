-- Queue a chunk of tasks that share no objects, depend on no others, may start at once, have no labels and
-- go to the back of their queue. Repeating it changes nothing. task_submit.lua queues all others, and would
-- queue these, too: but most of the time of a short script goes into creating the functions it defines.
-- KEYS: tasks bodies counters config, and the queue's list and marker
-- ARGV: prefix, queue, waiters, rules, token and number of the chunk; then per task its id and its body
-- Returns: as task_submit.lua
local tasks, bodies, counters, config, list = unpack(KEYS)
local prefix, queue, waiters, rules, token, number = unpack(ARGV, 1, 6)
number = tonumber(number)
local first_task = 7

-- include: _queue.lua
-- include: _submitter.lua
local found = redis.call('HMGET', config, FIELD.LAYOUT, submitter)
if not found[1] then
  return { 4 }
end
-- A process that is known here has not sent this number yet.
if is_copy(found[2]) or (not found[2] and redis.call('HEXISTS', tasks, ARGV[first_task]) == 1) then
  return { 0 }
end
local us = now_us()
local pack = header_packer(new_header(queue, waiters, rules))
local ids, headers, rows, n = {}, {}, {}, 0
for i = first_task, #ARGV, 2 do
  local id = ARGV[i]
  n = n + 1
  ids[n] = id
  -- A microsecond apart, which preserves the order of submission.
  headers[2 * n - 1], headers[2 * n] = id, pack(digits(us + n), '')
  rows[2 * n - 1], rows[2 * n] = id, ARGV[i + 1]
end
-- First, because this fails if somebody else uses the name of the list.
enqueue(queue, ids)
record_request(us)
redis.call('HSET', tasks, unpack(headers))
redis.call('HSET', bodies, unpack(rows))
count_status(counters, PENDING, n)
return { 0 }
