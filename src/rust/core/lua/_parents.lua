-- Part of task_submit.lua and set_prepare.lua: the parents of new tasks, and the links from them to a
-- set. Uses prefix, tasks and counters of the script. Callers pass at most 500 parents per call.

-- The number of a new set. All have ten digits, so that their texts sort like the numbers.
local function new_set()
  return digits(1000000000 + redis.call('HINCRBY', counters, FIELD.SET, 1))
end

-- The newest of the chain of retries of a task, and its header.
-- HASH moved: id -> '<next id> <us> <status>'.
local function newest(id)
  local header = load_header(tasks, id)
  while header and header.status == MOVED do
    id = string.sub(redis.call('HGET', prefix .. KEY.moved, id) or '', 1, ID_WIDTH)
    header = load_header(tasks, id)
  end
  return id, header
end

-- Whether an earlier call linked a task to this set.
local function is_linked(id, set)
  local links = redis.call('ZMSCORE', prefix .. KEY.dependents, id .. ':' .. set, id .. '+' .. set, id .. '-' .. set)
  return links[1] or links[2] or links[3]
end

-- The tasks in ARGV that are to be linked, how many of them are open, and the replies that name those
-- that do not exist and those that failed. A retried task stands for the newest of its chain.
local function read_parents(first, last, run_on_failure, set)
  local found, seen = { absent = { 2 }, failed = { 3 }, n_waiting = 0 }, {}
  for i = first, last do
    local id, header = newest(ARGV[i])
    local ended = header and not is_open(header.status)
    if not header then
      found.absent[#found.absent + 1] = ARGV[i]
    elseif ended and header.status ~= COMPLETE and not run_on_failure then
      local failed = found.failed
      failed[#failed + 1], failed[#failed + 2] = ARGV[i], WORDS[header.status]
    end
    -- One value may have two names; it is waited for once.
    if header and not seen[id] and not (set and is_linked(id, set)) then
      seen[id] = true
      found.n_waiting = found.n_waiting + (ended and 0 or 1)
      found[#found + 1] = { id = id, header = header, ended = ended }
    end
  end
  return found
end

-- Link tasks to a set; returns their ids, without separator.
local function link_parents(set, parents)
  local ids, links = {}, {}
  for i, parent in ipairs(parents) do
    ids[i] = parent.id
    links[2 * i - 1], links[2 * i] = 0, parent.id .. (parent.ended and '+' or ':') .. set
    if not has_flag(parent.header, FLAG_PARENT) then
      add_flag(parent.header, FLAG_PARENT)
      write_header(tasks, parent.id, parent.header)
    end
  end
  if #links > 0 then
    redis.call('ZADD', prefix .. KEY.dependents, unpack(links))
  end
  return table.concat(ids)
end
