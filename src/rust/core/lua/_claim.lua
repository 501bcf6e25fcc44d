-- Part of worker_step.lua: take tasks from one of the worker's queues.

local function claim_from(q, n, claimed)
  -- Tiny tasks travel in batches, but never more than a fair part of what is waiting.
  if n > 1 then
    n = math.min(n, math.max(1, math.floor(redis.call('LLEN', KEYS[queue_at + q]) / 4)))
  end
  local name, start, taken = ARGV[7 + q], digits(us), 0
  local popped = 0
  -- Bounded, however many stale ids the list holds: the marker is put back for what is left.
  while taken < n and popped < 256 do
    local ids = redis.call('LPOP', KEYS[queue_at + q], n - taken)
    if not ids then
      break
    end
    popped = popped + #ids
    for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
      local header = read_header(packed)
      -- The list is a hint: only the header says whether the task still waits here.
      if header and header[H_STATUS] == PENDING and header[H_QUEUE] == name then
        header[H_STATUS] = RUNNING
        header[H_ATTEMPT] = header[H_ATTEMPT] == '0' and '1' or digits(header[H_ATTEMPT] + 1)
        header[H_WORKER], header[H_START] = id, start
        taken = taken + 1
        add_write(ids[i], header)
        claimed[#claimed + 1], attempts[#attempts + 1] = ids[i], header[H_ATTEMPT]
      end
    end
  end
  if popped >= 256 and taken == 0 then
    took = q
  end
  bump('q:' .. name, -taken)
  bump('s:PENDING', -taken)
  bump('s:RUNNING', taken)
end
