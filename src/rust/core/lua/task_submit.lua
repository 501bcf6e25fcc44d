-- Queue a chunk of tasks, with the objects they share. Repeating it changes nothing.
-- KEYS: t b n o oref q k
-- ARGV: queue, watch, number of objects m, then m * (hash, references, bytes or ''),
--       then (id, body) pairs
-- Returns: {0} queued; {1, hash...} these objects must be sent along, nothing was written.
local tasks, bodies, counters, objects, refs, queue_key, wake = unpack(KEYS)
local queue, watch, n_objects = ARGV[1], ARGV[2], tonumber(ARGV[3])
local first_task = 4 + 3 * n_objects

if redis.call('HEXISTS', tasks, ARGV[first_task]) == 1 then
  return { 0 }
end
local missing = { 1 }
for i = 4, first_task - 1, 3 do
  if ARGV[i + 2] == '' and redis.call('HEXISTS', objects, ARGV[i]) == 0 then
    missing[#missing + 1] = ARGV[i]
  end
end
if #missing > 1 then
  return missing
end

for i = 4, first_task - 1, 3 do
  if ARGV[i + 2] ~= '' then
    redis.call('HSETNX', objects, ARGV[i], ARGV[i + 2])
  end
  redis.call('HINCRBY', refs, ARGV[i], ARGV[i + 1])
end

local header = table.concat({ PENDING, '0', digits(now_us()), '0', '0', '0', queue, '', watch, '' }, '\n')
local ids, headers, rows, n = {}, {}, {}, 0
for i = first_task, #ARGV, 2 do
  local id = ARGV[i]
  n = n + 1
  ids[n] = id
  headers[2 * n - 1], headers[2 * n] = id, header
  rows[2 * n - 1], rows[2 * n] = id, ARGV[i + 1]
end
redis.call('HSET', tasks, unpack(headers))
redis.call('HSET', bodies, unpack(rows))
redis.call('RPUSH', queue_key, unpack(ids))
count(counters, 's:PENDING', #ids)
count(counters, 'q:' .. queue, #ids)
redis.call('ZADD', wake, 0, 'w')
return { 0 }
