-- Part of task_submit.lua: what the tasks depend on, and how it stands.
local absent, failed, parents, seen, n_waiting = { 2 }, { 3 }, {}, {}, 0
for i = first_parent, first_task - 1 do
  -- A retried task stands for the newest of its chain.
  local id, header = newest(prefix, ARGV[i], read_header(redis.call('HGET', tasks, ARGV[i])))
  local status = header and header[H_STATUS]
  local ended = status ~= PENDING and status ~= RUNNING and status ~= DEFERRED
  if not header then
    absent[#absent + 1] = ARGV[i]
  elseif ended and status ~= COMPLETE and any == '0' then
    failed[#failed + 1], failed[#failed + 2] = ARGV[i], WORDS[status]
  elseif not seen[id] then
    -- One value may have two names; it is waited for once.
    seen[id] = true
    n_waiting = n_waiting + (ended and 0 or 1)
    parents[#parents + 1] = { id = id, header = header, ended = ended }
  end
end
