-- Part of task_delete.lua: deletes tasks that ended in their first attempt, and that nothing else refers to
-- or is stored for: no rules, dependants, sets, retries, objects and events. It does what the rest of the
-- script would do, but needs few of its functions, and no tables of headers.
--
-- Returns nil before it has written anything if one of the tasks is not like that.

-- include: _header.lua

local function delete_plain()
  if only_idle or n_objects > 0 or redis.call('EXISTS', prefix .. KEY.emitted) == 1 then
    return nil
  end
  local plain, ended = {}, { [COMPLETE] = 0, [ERROR] = 0 }
  for at = 4, #ARGV, 2 do
    plain[#plain + 1] = ARGV[at]
  end
  for _, packed in ipairs(redis.call('HMGET', tasks, unpack(plain))) do
    local status = plain_end(packed)
    if not status then
      return nil
    end
    ended[status] = ended[status] + 1
  end
  for _, earlier in ipairs(redis.call('HMGET', was, unpack(plain))) do
    if earlier then
      return nil
    end
  end
  for i = 1, 10 do
    redis.call('HDEL', KEYS[i], unpack(plain))
  end
  count_status(counters, COMPLETE, -ended[COMPLETE])
  count_status(counters, ERROR, -ended[ERROR])
  return { 0, redis.call('HLEN', prefix .. KEY.lost_files) }
end

local done = #ARGV > 3 and delete_plain()
if done then
  return done
end
