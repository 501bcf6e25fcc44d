-- Included by the scripts of files.

-- Extend the expiry of a file, and that of the index to the last of the files: `f` has the names under
-- which rrq_destroy() finds them. They do not outlive a queue that was told to expire.
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
