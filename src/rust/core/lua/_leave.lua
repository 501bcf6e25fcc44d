-- How a registration ends, for whatever reason: tasks that the worker held end, are retried or go back,
-- and messages to it are deleted, so that a later worker of the same name does not get them. Uses
-- prefix, us, events, workers, tasks and counters of the script. `notes` are the last lines of its log,
-- pairs of command and message; `begun` is as for resolve_held(), whose value is returned.

-- include: _held.lua
-- include: _record.lua
-- include: _worker_keys.lua

local function leave(id, record, state, notes, begun)
  local lines = {}
  local resolved = resolve_held(id, record, us, events, lines, begun)
  for _, note in ipairs(notes) do
    log_line(lines, us, note[1], note[2])
  end
  write_log(worker_key(id, WORKER.log), lines)
  record.state = state
  write_worker(id, record)
  delete_worker_keys(id)
  return resolved
end

local function lose_worker(id, record)
  is_lost = true
  return leave(id, record, 'LOST', { { 'LOST', '' } })
end
