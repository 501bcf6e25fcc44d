-- Part of task_delete.lua: the tasks it was given, the chains of retries they are of, and what is
-- stored for a task under more than its id.
local ids, uses, given = {}, {}, {}
for i = 4 + n_objects, #ARGV, 2 do
  ids[#ids + 1], uses[#uses + 1] = ARGV[i], ARGV[i + 1]
  given[ARGV[i]] = true
end

local function missing_of_chains(known)
  local others = { 2 }
  for _, key in ipairs({ moved, was }) do
    for _, found in ipairs(redis.call('HMGET', key, unpack(known))) do
      -- Of long chains the rest is named when these were given.
      while found and not given[string.sub(found, 1, ID_WIDTH)] and #others <= 1000 do
        local other = string.sub(found, 1, ID_WIDTH)
        given[other] = true
        others[#others + 1] = other
        found = redis.call('HGET', key, other)
      end
    end
  end
  return others
end

-- Those of the given tasks that have not ended, that others need, or that are of one chain with
-- such a task.
local function chains_in_use(present)
  local spared = {}
  local function spare(id, key)
    while id do
      spared[id] = true
      local other = redis.call('HGET', key, id)
      id = other and string.sub(other, 1, ID_WIDTH)
    end
  end
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(present))) do
    local id = present[i]
    local status = string.sub(packed, 1, 1)
    local open = status == PENDING or status == RUNNING or status == DEFERRED
    local needed, more
    if not open and not spared[id] then
      needed, more = is_needed(prefix, id)
    end
    if not spared[id] and (open or needed or more) then
      spare(id, moved)
      spare(id, was)
    end
  end
  return spared
end

local function forget(id, header, us)
  -- Also the latest, if it failed and the next one has not begun.
  for attempt = 1, tonumber(header[H_ATTEMPT]) do
    redis.call('HDEL', attempts, id .. ':' .. attempt)
  end
  if header[H_STATUS] == PENDING or header[H_STATUS] == DEFERRED then
    redis.call('ZREM', due, 'S:' .. id)
    if has_flag(header, FLAG_PARENT) then
      settle_sets(prefix, id, false, us)
    end
    if header[H_SET] ~= '' then
      redis.call('HINCRBY', prefix .. 'ds', string.match(header[H_SET], '%d+') .. ':open', -1)
    end
  end
  if has_flag(header, FLAG_PARENT) then
    drop_links(prefix, id, us)
  end
  leave_set(prefix, id, header, us)
  if header[H_RULES] ~= '' then
    redis.call('ZREM', due, 'X:' .. id)
  end
end
