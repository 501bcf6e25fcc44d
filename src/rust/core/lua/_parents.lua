-- Part of task_submit.lua: what the tasks depend on, and how it stands.

-- The newest of the chain of retries of a task, and its header.
-- HASH moved: id -> '<next id> <us> <status>'.
local function newest(id)
  local header = load_header(tasks, id)
  while header and header.status == MOVED do
    id = string.sub(redis.call('HGET', prefix .. KEY.moved, id), 1, ID_WIDTH)
    header = load_header(tasks, id)
  end
  return id, header
end

local absent, failed, parents, seen, n_waiting = { 2 }, { 3 }, {}, {}, 0
for i = first_parent, first_task - 1 do
  -- A retried task stands for the newest of its chain.
  local id, header = newest(ARGV[i])
  local ended = header and not is_open(header.status)
  if not header then
    absent[#absent + 1] = ARGV[i]
  elseif ended and header.status ~= COMPLETE and not options.run_on_failure then
    failed[#failed + 1], failed[#failed + 2] = ARGV[i], WORDS[header.status]
  elseif not seen[id] then
    -- One value may have two names; it is waited for once.
    seen[id] = true
    n_waiting = n_waiting + (ended and 0 or 1)
    parents[#parents + 1] = { id = id, header = header, ended = ended }
  end
end
