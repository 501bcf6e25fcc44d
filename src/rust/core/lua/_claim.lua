-- Part of worker_step.lua: claim tasks from one of the worker's queues.
--
-- 1. Only the header says whether a task waits in this queue; the list is a hint, see _queue.lua.
-- 2. A claimed task leaves the list, gets its header and is held by the worker in one script. So it is
--    either in a list or held by exactly one worker.
-- 3. Each claim is an attempt. Only hand_back() undoes that.

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
