-- Part of worker_step.lua: claim tasks from one of the worker's queues.
--
-- 1. Only the header says whether a task waits in this queue; the list is a hint, see _queue.lua.
-- 2. A claimed task leaves the list, gets its header and is held by the worker in one script. So it is
--    either in a list or held by exactly one worker.
-- 3. Each claim is an attempt. Only hand_back() undoes that.

local function claim_from(queue)
  local headers, more, damaged
  claimed, headers, attempts, more, damaged = claim(queue, claim_limit, id, digits(us))
  for _, task in ipairs(damaged) do
    count_queue(queue, -1)
    quarantine(task, PENDING, us)
  end
  for i, header in ipairs(headers) do
    add_packed(claimed[i], header)
  end
  ask_again = ask_again or more
  bump(PENDING, -#claimed)
  bump(RUNNING, #claimed)
end
