-- Part of task_delete.lua: the requested tasks, their chains of retries, and what is stored for a task
-- under more than its id.
--
-- Invariant: a chain of retries exists as a whole or not at all. Its parts are useless alone: `moved` and
-- `was` lead from each task to the next; a retry takes over the body, and with it the references to
-- objects; and holders of an older id (the user, the bodies of dependant tasks, links) reach status and
-- value through the chain. Without a task in the middle, newest() would lead nowhere, and a complete
-- parent would count as missing; without the newest, the older ones would be MOVED to nothing, with no
-- body to run again. So a chain is kept while one of its tasks is open or needed, and a request that does
-- not name a whole chain changes nothing: the caller reads the bodies before the request, and a task may
-- be retried in between. The reply then names the other tasks, and the caller tries again with their
-- bodies.
local ids, object_places, requested = {}, {}, {}
for i = 4 + n_objects, #ARGV, 2 do
  ids[#ids + 1], object_places[#object_places + 1] = ARGV[i], ARGV[i + 1]
  requested[ARGV[i]] = true
end

local function missing_of_chains(known)
  local others = { 2 }
  for _, key in ipairs({ moved, was }) do
    for _, found in ipairs(redis.call('HMGET', key, unpack(known))) do
      -- The rest of a long chain is named when these have been requested.
      while found and not requested[string.sub(found, 1, ID_WIDTH)] and #others <= 1000 do
        local other = string.sub(found, 1, ID_WIDTH)
        requested[other] = true
        others[#others + 1] = other
        found = redis.call('HGET', key, other)
      end
    end
  end
  return others
end

-- The tasks that have not ended, that others need, or that are in one chain with such a task.
local function chains_in_use(present)
  local kept = {}
  local function keep(id, key)
    while id do
      kept[id] = true
      local other = redis.call('HGET', key, id)
      id = other and string.sub(other, 1, ID_WIDTH)
    end
  end
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(present))) do
    local id, open = present[i], is_open(status_of(packed))
    local needed, more
    if not open and not kept[id] then
      needed, more = is_needed(id)
    end
    if not kept[id] and (open or needed or more) then
      keep(id, moved)
      keep(id, was)
    end
  end
  return kept
end

local function delete_task(id, header, us)
  -- Including the latest, if it failed and the next one has not begun.
  for attempt = 1, tonumber(header.attempt) do
    redis.call('HDEL', attempts, id .. ':' .. attempt)
  end
  if is_open(header.status) then
    redis.call('ZREM', due, DUE.SCHEDULED .. id)
    if has_flag(header, FLAG_PARENT) then
      notify_sets(id, false, us)
    end
    count_open(header, -1)
  end
  if has_flag(header, FLAG_PARENT) then
    drop_links(id, us)
  end
  leave_set(id, header, us)
  if header.rules ~= '' then
    redis.call('ZREM', due, DUE.EXPIRY .. id)
  end
end
