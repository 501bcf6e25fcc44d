-- Part of task_submit.lua: the tasks themselves, in whatever state they begin.
local n_tasks = (#ARGV - first_task + 1) / stride
local set = #parents > 0 and status ~= IMPOSSIBLE and join_set(n_tasks)
local head = status .. '\n0\n'
local tail = table.concat({ '', '0', status == IMPOSSIBLE and digits(us) or '0',
                            scheduled and digits(FLAG_SCHEDULED) or '0', queue, '', watch, rules, '' }, '\n')
-- Those that have ended as they begin expire too.
local ttl = status == IMPOSSIBLE and tonumber(string.match(rules, '^%d+')) or 0
local expiry = ttl > 0 and math.floor(us / 1000) + ttl
local ids, headers, rows, members, timers, n = {}, {}, {}, {}, {}, 0
for i = first_task, #ARGV, stride do
  local id, member = ARGV[i], ''
  n = n + 1
  if set then
    member = string.format('%d:%04d', set, n)
    members[2 * n - 1], members[2 * n] = 0, member .. ':' .. id
  end
  ids[n] = id
  -- A microsecond apart, so that the order of submission can be told.
  headers[2 * n - 1], headers[2 * n] = id, head .. digits(us + n) .. tail .. member .. '\n'
  rows[2 * n - 1], rows[2 * n] = id, ARGV[i + 1]
  -- Scores differ within a ms, so that those whose time comes together stay in order.
  timers[2 * n - 1], timers[2 * n] = expiry or start + n / 1000, (expiry and 'X:' or 'S:') .. id
  if stride == 3 then
    redis.call('HSET', labels, id, ARGV[i + 2])
  end
end
redis.call('HSET', tasks, unpack(headers))
redis.call('HSET', bodies, unpack(rows))
count(counters, 's:' .. WORDS[status], n)
if set then
  redis.call('ZADD', prefix .. 'dl', unpack(members))
end
if expiry or scheduled then
  redis.call('ZADD', prefix .. 'due', unpack(timers))
end

local function reversed(items)
  local turned = {}
  for i, item in ipairs(items) do
    turned[#items + 1 - i] = item
  end
  return turned
end
