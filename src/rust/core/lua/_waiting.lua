-- Part of several scripts: which PENDING tasks stand in their queue, and how they leave it other
-- than by a claim.

local function is_queued(header)
  return header[H_STATUS] == PENDING and not has_flag(header, FLAG_UNQUEUED)
    and not has_flag(header, FLAG_SCHEDULED)
end

-- Their ids stay in the list, where claims pass over them; with the last task goes the list, and the
-- marker, which those that were only scheduled (n = 0) have left there too.
local function leave_queue(prefix, counters, queue, n)
  count(counters, 'q:' .. queue, -n)
  if (redis.call('HGET', counters, 'q:' .. queue) or '0') == '0' then
    redis.call('UNLINK', prefix .. 'q:' .. queue, prefix .. 'k:' .. queue)
  end
end
