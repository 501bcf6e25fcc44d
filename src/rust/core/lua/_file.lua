-- Included by the scripts of files.

-- Let a file live on for a while, and the index as long as the last of them: `f` says under which
-- names rrq_destroy() finds them. A queue that is told to expire is not outlived.
local function keep_file(config, index, key, name, lifetime)
  local left = redis.call('PTTL', config)
  if left >= 0 and left < lifetime then
    lifetime = left
  end
  local now = math.floor(now_us() / 1000)
  redis.call('PEXPIRE', key, lifetime)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('ZADD', index, now + lifetime, name)
  redis.call('PEXPIRE', index, lifetime)
end
