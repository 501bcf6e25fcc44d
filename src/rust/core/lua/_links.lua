-- Part of several scripts: the entries that say which sets of tasks depend on a task. They stay
-- until it is deleted, or the last task of the set.
-- ZSET dn: '<task>:<set>' while the set is to be told of the task's end, '<task>+<set>' when it was,
-- '<task>-<set>' when its tasks were seen to have ended.

-- Whether a task that depends on this one has not ended. Of many sets, 256 are looked at; the second
-- value says that there may be more, the third is how many were. Those whose tasks have ended need no
-- second look.
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

-- Remove the entries of a set that is no more, those of 1000 tasks it depended on a script.
local n_left = 0
local function leave_parents(prefix, set, us)
  local sets, links = prefix .. 'ds', {}
  local on = redis.call('HGET', sets, set .. ':on') or ''
  local n = math.min(#on, (1000 - n_left) * ID_WIDTH)
  for i = 1, n, ID_WIDTH do
    local parent = string.sub(on, i, i + ID_WIDTH - 1)
    local at = #links
    links[at + 1], links[at + 2] = parent .. ':' .. set, parent .. '+' .. set
    links[at + 3] = parent .. '-' .. set
  end
  n_left = n_left + n / ID_WIDTH
  if #links > 0 then
    redis.call('ZREM', prefix .. 'dn', unpack(links))
  end
  if n == #on then
    redis.call('HDEL', sets, set .. ':on')
  else
    redis.call('HSET', sets, set .. ':on', string.sub(on, n + 1))
    make_due(prefix, us, 'E:' .. set)
  end
end

-- A task that depended on others is no more; with the last one goes its set.
local function leave_set(prefix, id, header, us)
  if header[H_SET] == '' then
    return
  end
  local set, sets = string.match(header[H_SET], '%d+'), prefix .. 'ds'
  redis.call('ZREM', prefix .. 'dl', header[H_SET] .. ':' .. id)
  if redis.call('HINCRBY', sets, set .. ':n', -1) > 0 then
    return
  end
  for _, field in ipairs({ 'n', 'open', 'left', 'failed', 'any', 'queue', 'start', 'at' }) do
    redis.call('HDEL', sets, set .. ':' .. field)
  end
  leave_parents(prefix, set, us)
end
