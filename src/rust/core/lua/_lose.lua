-- Part of the scripts that declare workers lost: it is LOST, and what it held ends, is tried again or goes
-- back. Returns what became of each task, as resolve_held() does.

-- include: _held.lua
-- include: _worker_keys.lua

local function lose_worker(id, record)
  local lines = {}
  local resolved = resolve_held(id, record, us, events, lines)
  log_line(lines, us, 'LOST', '')
  write_log(worker_key(id, WORKER.log), lines)
  record.state = 'LOST'
  write_worker(id, record)
  delete_worker_keys(id)
  return resolved
end
