-- Part of worker_step.lua: claim tasks from one of the worker's queues.

local function claim_from(queue)
  local ids, headers, more = claim(queue, claim_limit)
  local start = digits(us)
  for i, header in ipairs(headers) do
    header.status = RUNNING
    header.attempt = header.attempt == '0' and '1' or digits(header.attempt + 1)
    header.worker, header.start = id, start
    add_write(ids[i], header)
    attempts[i] = header.attempt
  end
  claimed, ask_again = ids, ask_again or more
  bump(PENDING, -#ids)
  bump(RUNNING, #ids)
end
