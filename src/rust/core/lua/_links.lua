-- Part of several scripts: the entries that say which sets of tasks depend on a task. They stay
-- until it is deleted, or the last task of the set.
-- ZSET dn: '<task>:<set>' while the set is to be told of the task's end, '<task>+<set>' when it was,
-- '<task>-<set>' when its tasks were seen to have ended.

-- Whether a task that depends on this one has not ended. Of many sets, 256 are looked at; the second
-- value says that there may be more, the third is how many were. Those whose tasks have ended need no second look.
local function is_needed(prefix, id)
  local links, fields, told = prefix .. 'dn', {}, {}
  local found = redis.call('ZRANGEBYLEX', links, '[' .. id .. '+', '(' .. id .. ',', 'LIMIT', 0, 256)
  for i, link in ipairs(found) do
    local set = string.sub(link, ID_WIDTH + 2)
    fields[i], told[2 * i - 1], told[2 * i] = set .. ':open', 0, id .. '-' .. set
  end
  for _, open in ipairs(#found > 0 and redis.call('HMGET', prefix .. 'ds', unpack(fields)) or {}) do
    if open and tonumber(open) > 0 then
      return true, false, #found
    end
  end
  if #redis.call('ZRANGEBYLEX', links, '[' .. id .. ':', '(' .. id .. ';', 'LIMIT', 0, 1) > 0 then
    return true, false, #found
  end
  if #found >= 32 then
    redis.call('ZREM', links, unpack(found))
    redis.call('ZADD', links, unpack(told))
  end
  return false, #found == 256, #found
end

-- Remove the entries of a task that is no more, 1000 at a time; but not those of sets that are still
-- to be told of it.
local function drop_links(prefix, id, us)
  local links = redis.call('ZRANGEBYLEX', prefix .. 'dn', '[' .. id .. '+', '(' .. id .. ':', 'LIMIT', 0, 1000)
  if #links > 0 then
    redis.call('ZREM', prefix .. 'dn', unpack(links))
  end
  if #links == 1000 then
    make_due(prefix, us, 'D:' .. id)
  end
end

-- A task that depended on others is no more; with the last one goes its set.
local function leave_set(prefix, id, header)
  if header[H_SET] == '' then
    return
  end
  local set, sets = string.match(header[H_SET], '%d+'), prefix .. 'ds'
  redis.call('ZREM', prefix .. 'dl', header[H_SET] .. ':' .. id)
  if redis.call('HINCRBY', sets, set .. ':n', -1) > 0 then
    return
  end
  local on = redis.call('HGET', sets, set .. ':on') or ''
  for i = 1, #on, ID_WIDTH do
    local parent = string.sub(on, i, i + ID_WIDTH - 1)
    redis.call('ZREM', prefix .. 'dn', parent .. ':' .. set, parent .. '+' .. set, parent .. '-' .. set)
  end
  for _, field in ipairs({ 'n', 'open', 'on', 'left', 'failed', 'any', 'queue', 'start', 'at' }) do
    redis.call('HDEL', sets, set .. ':' .. field)
  end
end
