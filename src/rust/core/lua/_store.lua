-- Part of task_submit.lua: stores the tasks themselves, whatever their first status is.
local n_tasks = (#ARGV - first_task + 1) / stride
local set = (options.set ~= '' or #parents > 0) and join_set(n_tasks)
local header = new_header(queue, waiters, rules)
header.status = status
if status == IMPOSSIBLE then
  header.ended = digits(us)
elseif scheduled then
  add_flag(header, FLAG_SCHEDULED)
end
local pack = header_packer(header)
-- Tasks that are IMPOSSIBLE from the beginning also expire.
local ttl = status == IMPOSSIBLE and tonumber(string.match(rules, '^%d+')) or 0
local expiry = ttl > 0 and math.floor(us / 1000) + ttl
local ids, headers, rows, members, timers, n = {}, {}, {}, {}, {}, 0
for i = first_task, #ARGV, stride do
  local id, member = ARGV[i], ''
  n = n + 1
  if set then
    member = place_in(set, n)
    members[2 * n - 1], members[2 * n] = 0, member .. ':' .. id
  end
  ids[n] = id
  -- A microsecond apart, which preserves the order of submission.
  headers[2 * n - 1], headers[2 * n] = id, pack(digits(us + n), member)
  rows[2 * n - 1], rows[2 * n] = id, ARGV[i + 1]
  if expiry then
    timers[2 * n - 1], timers[2 * n] = expiry, DUE.EXPIRY .. id
  elseif scheduled then
    -- A microsecond apart as well: `start` is that of the first task of the chunk.
    timers[2 * n - 1], timers[2 * n] = start + n / 1000, DUE.SCHEDULED .. id
  end
  if stride == 3 then
    redis.call('HSET', labels, id, ARGV[i + 2])
  end
end
redis.call('HSET', tasks, unpack(headers))
redis.call('HSET', bodies, unpack(rows))
count_status(counters, status, n)
if set then
  redis.call('ZADD', prefix .. KEY.deferred, unpack(members))
end
if scheduled then
  schedule_new(queue, timers)
elseif expiry then
  redis.call('ZADD', prefix .. KEY.due, unpack(timers))
elseif status == PENDING and options.at_front then
  requeue(queue, reversed(ids))
elseif status == PENDING then
  enqueue(queue, ids)
end
