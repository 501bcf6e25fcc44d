-- Part of several scripts: the entries that say which sets of tasks depend on a task. They stay
-- until it is deleted, or the last task of the set.

-- Whether a task that depends on this one has not ended. Of many sets, 256 are looked at; then the
-- second value says where to go on.
local function is_needed(prefix, id, after)
  local low = after and '(' .. id .. after or '[' .. id .. '+'
  local links = redis.call('ZRANGEBYLEX', prefix .. 'dn', low, '(' .. id .. ';', 'LIMIT', 0, 256)
  local last
  for _, link in ipairs(links) do
    last = string.sub(link, ID_WIDTH + 1)
    local open = redis.call('HGET', prefix .. 'ds', string.sub(last, 2) .. ':open')
    if open and tonumber(open) > 0 then
      return true
    end
  end
  return false, #links == 256 and last or nil
end

-- Remove the entries of a task that is no more, 1000 at a time.
local function drop_links(prefix, id, us)
  local links = redis.call('ZRANGEBYLEX', prefix .. 'dn', '[' .. id .. '+', '(' .. id .. ';', 'LIMIT', 0, 1000)
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
    redis.call('ZREM', prefix .. 'dn', parent .. ':' .. set, parent .. '+' .. set)
  end
  for _, field in ipairs({ 'n', 'open', 'on', 'left', 'any', 'queue', 'start', 'at' }) do
    redis.call('HDEL', sets, set .. ':' .. field)
  end
end
