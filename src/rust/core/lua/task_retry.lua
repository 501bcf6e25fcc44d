-- Queue tasks that have ended again, under new ids. Repeating it changes nothing.
-- KEYS: t b lab mv mu n due
-- ARGV: key prefix, watch, then (id, new id) pairs
-- Returns: one text with the status of each, '-' when there is no such task. If one of them is not
--          that of a task that can be retried, nothing was changed.
local tasks, bodies, labels, moved, was, counters, due = unpack(KEYS)
local prefix, watch = ARGV[1], ARGV[2]
local RETRIABLE = { [COMPLETE] = true, [ERROR] = true, [CANCELLED] = true, [DIED] = true,
                    [TIMEOUT] = true }

local headers, codes, refused = {}, {}, false
for i = 3, #ARGV, 2 do
  local header = read_header(redis.call('HGET', tasks, ARGV[i]))
  local next = redis.call('HGET', moved, ARGV[i])
  headers[i] = header
  if next and string.sub(next, 1, ID_WIDTH) == ARGV[i + 1] then
    -- This very request was served before.
    codes[#codes + 1], headers[i] = COMPLETE, nil
  else
    codes[#codes + 1] = header and header[H_STATUS] or '-'
    refused = refused or not header or not RETRIABLE[header[H_STATUS]]
  end
end
if refused then
  return table.concat(codes)
end

-- A task that depended on others uses their values again.
local function join_again(id, header)
  if header[H_SET] ~= '' then
    local set = string.match(header[H_SET], '%d+')
    redis.call('ZADD', prefix .. 'dl', 0, header[H_SET] .. ':' .. id)
    redis.call('HINCRBY', prefix .. 'ds', set .. ':n', 1)
    redis.call('HINCRBY', prefix .. 'ds', set .. ':open', 1)
  end
end

local us = now_us()
for i, old in pairs(headers) do
  local id, new_id, status = ARGV[i], ARGV[i + 1], old[H_STATUS]
  local header = { PENDING, '0', digits(us), '0', '0', '0', old[H_QUEUE], '', watch, old[H_RULES],
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
  count(counters, 's:PENDING', 1)
  push_task(prefix, header[H_QUEUE], new_id)
end
return table.concat(codes)
