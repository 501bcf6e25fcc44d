-- Timed work: ZSET `due`, scores are ms of server time. worker_sweep.lua does what is due.

-- Work to be done at once goes before work that waits for a time, however much of that is due: its
-- scores are below this one, in the order of the requests. Work that one script makes due has one score,
-- and is done from the last member to the first: later sets of tasks before earlier ones, see _depend.lua.
local AT_ONCE = 1000000

local function make_due(us, kind, subject)
  redis.call('ZADD', prefix .. KEY.due, math.floor(us / 1000), kind .. subject)
end

local function make_due_at_once(us, kind, subject)
  redis.call('ZADD', prefix .. KEY.due, us / 1000000000000, kind .. subject)
end
