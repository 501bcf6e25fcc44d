-- What becomes of the tasks that a worker held when it went away.

-- include: _end.lua
-- include: _record.lua

-- End one task that a worker held and did not report, or queue it again; returns what became of it,
-- '<letter><id>'.
local function resolve_task(worker_id, id, status, us, events, lines)
  local header = load_header(tasks, id)
  if not header or header.status ~= RUNNING or header.worker ~= worker_id then
    return nil
  end
  local delay = retry_delay(id, header, status)
  if delay then
    header.ended = digits(us)
    retry_task(id, header, status, '', delay, us)
    write_header(tasks, id, header)
    count_status(counters, RUNNING, -1)
    count_status(counters, PENDING, 1)
    log_line(lines, us, 'TASK_RETRY', id)
  else
    status = has_flag(header, FLAG_CANCEL) and CANCELLED or status
    end_task(id, header, status, us, events)
    log_line(lines, us, 'TASK_' .. WORDS[status], id)
  end
  return header.status .. id
end

-- The same for everything that a worker held when it went away; returns what became of each.
local function resolve_held(worker_id, record, us, events, lines)
  local resolved = {}
  for _, id in ipairs(held_ids(record)) do
    resolved[#resolved + 1] = resolve_task(worker_id, id, DIED, us, events, lines)
  end
  record.held = ''
  return resolved
end
