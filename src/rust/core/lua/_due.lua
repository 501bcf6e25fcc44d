-- What happens at a time: ZSET `due`, scores are ms of server time. worker_sweep.lua does it.

local function make_due(us, kind, subject)
  redis.call('ZADD', prefix .. KEY.due, math.floor(us / 1000), kind .. subject)
end
