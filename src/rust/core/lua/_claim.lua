-- Part of worker_step.lua: take tasks from one of the worker's queues.

-- Ids of tasks that were cancelled, deleted or taken out stay in the list until they reach its
-- head. A turn passes over so many of them; the rest is left to the next.
local STALE_MAX = 2048
local passed, more = 0, false

local function is_claimable(header, name)
  -- Flags 16 and 32: taken out of its queue, scheduled.
  return header and header[H_STATUS] == PENDING and header[H_QUEUE] == name
    and (header[H_FLAGS] == '0' or math.floor(header[H_FLAGS] / 16) % 4 == 0)
end

-- Drop what is stale at the head of a list, many at a time; returns how many.
local function pass_over(list, name)
  local ids, stale = redis.call('LRANGE', list, 0, 255), 0
  for i, packed in ipairs(#ids > 0 and redis.call('HMGET', tasks, unpack(ids)) or {}) do
    if is_claimable(read_header(packed), name) then
      break
    end
    stale = i
  end
  redis.call('LTRIM', list, stale, -1)
  return stale
end

-- How many queues are paused stands in `n`, which of them in `cfg`.
local function is_paused(q)
  return any_paused and redis.call('HEXISTS', prefix .. 'cfg', 'pause:' .. ARGV[7 + q]) == 1
end

local function claim_from(q, n, claimed)
  -- Tiny tasks travel in batches, but never more than a fair part of what is waiting.
  if n > 1 then
    n = math.min(n, math.max(1, math.floor(redis.call('LLEN', KEYS[queue_at + q]) / 4)))
  end
  local name, start, taken = ARGV[7 + q], digits(us), 0
  local seen = {}
  while taken < n and passed < STALE_MAX do
    local ids = redis.call('LPOP', KEYS[queue_at + q], n - taken)
    if not ids then
      break
    end
    local before = taken
    for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
      local header = read_header(packed)
      -- The list is a hint: only the header says whether the task still waits here.
      if is_claimable(header, name) and not seen[ids[i]] then
        seen[ids[i]] = true
        header[H_STATUS] = RUNNING
        header[H_ATTEMPT] = header[H_ATTEMPT] == '0' and '1' or digits(header[H_ATTEMPT] + 1)
        header[H_WORKER], header[H_START] = id, start
        taken = taken + 1
        add_write(ids[i], header)
        claimed[#claimed + 1], attempts[#attempts + 1] = ids[i], header[H_ATTEMPT]
      end
    end
    if taken == before then
      passed = passed + pass_over(KEYS[queue_at + q], name)
    end
  end
  if passed >= STALE_MAX and taken == 0 then
    more = true
    redis.call('ZADD', KEYS[wake_at + q], 0, 'w')
  end
  bump('q:' .. name, -taken)
  bump('s:PENDING', -taken)
  bump('s:RUNNING', taken)
end
