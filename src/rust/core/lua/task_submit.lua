-- Queue a chunk of tasks, with the objects they share, perhaps to wait for other tasks. Repeating
-- it changes nothing.
-- KEYS: t b n o oref q k
-- ARGV: queue, watch, key prefix, number of objects m, number of parents p, whether to run although
--       a parent failed, then m * (hash, references, bytes or ''), p * parent, then (id, body) pairs
-- Returns: {0} queued; {1, hash...} these objects must be sent along, {2, id...} there are no such
--          parents: nothing was written; {3, (id, status)...} these parents failed: the tasks are
--          recorded as impossible.
local tasks, bodies, counters, objects, refs, queue_key, wake = unpack(KEYS)
local queue, watch, prefix = ARGV[1], ARGV[2], ARGV[3]
local n_objects, n_parents, any = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local first_object, first_parent = 7, 7 + 3 * n_objects
local first_task = first_parent + n_parents

if redis.call('HEXISTS', tasks, ARGV[first_task]) == 1 then
  return { 0 }
end
local absent, failed, waiting, seen = { 2 }, { 3 }, {}, {}
for i = first_parent, first_task - 1 do
  local header = read_header(redis.call('HGET', tasks, ARGV[i]))
  local status = header and header[H_STATUS]
  if not header then
    absent[#absent + 1] = ARGV[i]
  elseif status == PENDING or status == RUNNING or status == DEFERRED then
    -- One value may have two names; it is waited for once.
    if not seen[ARGV[i]] then
      seen[ARGV[i]] = true
      waiting[#waiting + 1] = { ARGV[i], header }
    end
  elseif status ~= COMPLETE and any == '0' then
    failed[#failed + 1], failed[#failed + 2] = ARGV[i], WORDS[status]
  end
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

for i = first_object, first_parent - 1, 3 do
  if ARGV[i + 2] ~= '' then
    redis.call('HSETNX', objects, ARGV[i], ARGV[i + 2])
  end
  redis.call('HINCRBY', refs, ARGV[i], ARGV[i + 1])
end
local now = digits(now_us())
local status, ended = PENDING, '0'
if #failed > 1 then
  status, ended = IMPOSSIBLE, now
elseif #waiting > 0 then
  status = DEFERRED
end
local header = table.concat({ status, '0', now, '0', ended, '0', queue, '', watch, '' }, '\n')
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
count(counters, 's:' .. WORDS[status], n)
-- include: _defer.lua
if status == PENDING then
  redis.call('RPUSH', queue_key, unpack(ids))
  count(counters, 'q:' .. queue, n)
  redis.call('ZADD', wake, 0, 'w')
elseif status == DEFERRED then
  defer(ids)
end
return status == IMPOSSIBLE and failed or { 0 }
