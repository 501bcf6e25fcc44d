-- Queue tasks that have ended again, under new ids. Repeating it changes nothing.
-- KEYS: t b lab mv mu n due
-- ARGV: key prefix, watch, then (id, new id) pairs
-- Returns: one text with the status of each, '-' when there is no such task. If one of them is not
--          that of a task that can be retried, nothing was changed.
local tasks, bodies, labels, moved, was, counters, due = unpack(KEYS)
local prefix, watch = ARGV[1], ARGV[2]
local RETRIABLE = { [COMPLETE] = true, [ERROR] = true, [CANCELLED] = true, [DIED] = true,
                    [TIMEOUT] = true }

-- One that was cancelled before it could start waits as before, for it shares that with its set.
local function begin(header)
  local set = string.match(header[H_SET], '%d+')
  local found = set and redis.call('HMGET', prefix .. 'ds', set .. ':left', set .. ':failed') or {}
  return found[1] and DEFERRED or found[2] and IMPOSSIBLE or PENDING
end

local headers, starts, codes, refused = {}, {}, {}, false
for i = 3, #ARGV, 2 do
  local header = read_header(redis.call('HGET', tasks, ARGV[i]))
  local next = redis.call('HGET', moved, ARGV[i])
  headers[i] = header
  if next and string.sub(next, 1, ID_WIDTH) == ARGV[i + 1] then
    -- This very request was served before.
    codes[#codes + 1], headers[i] = COMPLETE, nil
  else
    local begins = header and RETRIABLE[header[H_STATUS]] and begin(header)
    codes[#codes + 1] = begins == IMPOSSIBLE and IMPOSSIBLE or header and header[H_STATUS] or '-'
    refused = refused or not begins or begins == IMPOSSIBLE
    starts[i] = begins
  end
end
if refused then
  return table.concat(codes)
end

-- A set seen to have ended has not any more.
local function need_parents(set)
  local on = redis.call('HGET', prefix .. 'ds', set .. ':on') or ''
  for at = 1, #on, ID_WIDTH do
    local parent = string.sub(on, at, at + ID_WIDTH - 1)
    if redis.call('ZREM', prefix .. 'dn', parent .. '-' .. set) == 1 then
      redis.call('ZADD', prefix .. 'dn', 0, parent .. '+' .. set)
    end
  end
end

-- A task that depended on others uses their values again.
local function join_again(id, header)
  if header[H_SET] ~= '' then
    local set = string.match(header[H_SET], '%d+')
    redis.call('ZADD', prefix .. 'dl', 0, header[H_SET] .. ':' .. id)
    redis.call('HINCRBY', prefix .. 'ds', set .. ':n', 1)
    if redis.call('HINCRBY', prefix .. 'ds', set .. ':open', 1) == 1 then
      need_parents(set)
    end
  end
end

local us = now_us()
local function queue_again(i, old)
  local id, new_id, status = ARGV[i], ARGV[i + 1], old[H_STATUS]
  local header = { starts[i], '0', digits(us + i), '0', '0', '0', old[H_QUEUE], '', watch, old[H_RULES],
                   old[H_SET], '' }
  write_header(tasks, new_id, header)
  join_again(new_id, header)
  old[H_STATUS] = MOVED
  write_header(tasks, id, old)
  redis.call('HSET', moved, id, new_id .. ' ' .. digits(us) .. ' ' .. status)
  redis.call('HSET', was, new_id, id)
  redis.call('HSET', bodies, new_id, redis.call('HGET', bodies, id))
  redis.call('HDEL', bodies, id)
  local label = redis.call('HGET', labels, id)
  if label then
    redis.call('HSET', labels, new_id, label)
  end
  redis.call('ZREM', due, 'X:' .. id)
  count(counters, 's:' .. WORDS[status], -1)
  count(counters, 's:MOVED', 1)
  count(counters, 's:' .. WORDS[starts[i]], 1)
  if starts[i] == PENDING then
    push_task(prefix, header[H_QUEUE], new_id)
  end
end

-- In the order given.
for i = 3, #ARGV, 2 do
  if headers[i] then
    queue_again(i, headers[i])
  end
end
return table.concat(codes)
