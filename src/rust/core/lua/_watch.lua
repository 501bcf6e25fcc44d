-- Register a waiter for the ends of tasks. Uses tasks, stream and config of the script.

-- include: _header.lua

-- One text with the status of each task, '-' when there is no such task; nil when the queue no longer
-- exists.
local function watch_tasks(waiter, lifetime, ids)
  if not queue_exists(config) then
    return nil
  end
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XADD', stream, '0-1', 't', '')
  end
  redis.call('PEXPIRE', stream, lifetime)
  local codes, writes = {}, {}
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
    codes[i] = status_of(packed) or '-'
    if is_open(codes[i]) then
      local header = read_header(packed)
      if not string.find(',' .. header.waiters .. ',', ',' .. waiter .. ',', 1, true) then
        header.waiters = header.waiters == '' and waiter or header.waiters .. ',' .. waiter
        writes[#writes + 1], writes[#writes + 2] = ids[i], pack_header(header)
      end
    end
  end
  if #writes > 0 then
    redis.call('HSET', tasks, unpack(writes))
  end
  return table.concat(codes)
end
