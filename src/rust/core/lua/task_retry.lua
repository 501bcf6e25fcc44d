-- Queue tasks that have ended again, under new ids. Repeating it changes nothing.
-- KEYS: tasks bodies labels moved was counters due
-- ARGV: key prefix, waiter, then (id, new id) pairs
-- Returns: one text with the status of each, '-' when there is no such task. If one of them cannot be
--          retried, nothing was changed.
local tasks, bodies, labels, moved, was, counters, due = unpack(KEYS)
local prefix, waiter = ARGV[1], ARGV[2]
local RETRIABLE = { [COMPLETE] = true, [ERROR] = true, [CANCELLED] = true, [DIED] = true,
                    [TIMEOUT] = true }

-- include: _end.lua
-- include: _links.lua

-- A task that was cancelled while its set waits becomes DEFERRED again, like the rest of its set.
local function first_status(header)
  local set = set_of(header)
  local found = set and redis.call('HMGET', prefix .. KEY.sets, set .. SET.LEFT, set .. SET.FAILED) or {}
  return found[1] and DEFERRED or found[2] and IMPOSSIBLE or PENDING
end

local headers, starts, codes, refused = {}, {}, {}, false
for i = 3, #ARGV, 2 do
  local header = load_header(tasks, ARGV[i])
  local next = redis.call('HGET', moved, ARGV[i])
  headers[i] = header
  if next and string.sub(next, 1, ID_WIDTH) == ARGV[i + 1] then
    -- This request was executed before.
    codes[#codes + 1], headers[i] = COMPLETE, nil
  else
    local begins = header and RETRIABLE[header.status] and first_status(header)
    codes[#codes + 1] = begins == IMPOSSIBLE and IMPOSSIBLE or header and header.status or '-'
    refused = refused or not begins or begins == IMPOSSIBLE
    starts[i] = begins
  end
end
if refused then
  return table.concat(codes)
end

local us, events = now_us(), {}
-- A task with dependencies uses their values again.
local function join_again(id, header)
  local set = set_of(header)
  if set then
    redis.call('ZADD', prefix .. KEY.deferred, 0, header.set .. ':' .. id)
    redis.call('HINCRBY', prefix .. KEY.sets, set .. SET.SIZE, 1)
    if count_open(header, 1) == 1 then
      need_parents(set, 0, us)
    end
  end
end

local function queue_again(i, old)
  local id, new_id, status = ARGV[i], ARGV[i + 1], old.status
  local header = new_header(old.queue, waiter, old.rules)
  header.status, header.submit, header.set = starts[i], digits(us + i), old.set
  write_header(tasks, new_id, header)
  join_again(new_id, header)
  -- Its end may stand unread in the streams of its waiters.
  note_event(events, old.waiters, id, MOVED)
  old.status = MOVED
  write_header(tasks, id, old)
  redis.call('HSET', moved, id, new_id .. ' ' .. digits(us) .. ' ' .. status)
  redis.call('HSET', was, new_id, id)
  redis.call('HSET', bodies, new_id, redis.call('HGET', bodies, id))
  redis.call('HDEL', bodies, id)
  local label = redis.call('HGET', labels, id)
  if label then
    redis.call('HSET', labels, new_id, label)
  end
  redis.call('ZREM', due, DUE.EXPIRY .. id)
  count_status(counters, status, -1)
  count_status(counters, MOVED, 1)
  count_status(counters, header.status, 1)
  if header.status == PENDING then
    enqueue(header.queue, { new_id })
  end
end

-- In the order given.
for i = 3, #ARGV, 2 do
  if headers[i] then
    queue_again(i, headers[i])
  end
end
send_events(prefix, events)
return table.concat(codes)
