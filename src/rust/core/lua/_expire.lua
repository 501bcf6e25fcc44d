-- Part of worker_sweep.lua: single tasks that are due to be queued or deleted.

-- include: _links.lua

local function start_scheduled(id)
  local header = load_header(tasks, id)
  if header and header.status == PENDING and has_flag(header, FLAG_SCHEDULED) then
    drop_flag(header, FLAG_SCHEDULED)
    write_header(tasks, id, header)
    -- A task removed from its queue in the meantime stays out.
    if is_queued(header) then
      enqueue(header.queue, { id })
    end
  end
end

-- Name an expired task to the sweeping process: deleting it takes more than a script knows. If that
-- process ends first, the task is named again. Returns what this cost, as part of a sweep's budget.
local function expire(id)
  local header = load_header(tasks, id)
  if not header or is_open(header.status) or header.status == MOVED then
    return 0
  end
  local needed, more, n_seen = is_needed(id)
  if more then
    make_due(us, DUE.EXPIRY, id)
  elseif needed then
    local pause = math.max(1000, math.min(read_rules(header)[R_TTL], 60000))
    make_due(us + 1000 * pause, DUE.EXPIRY, id)
  else
    expired[#expired + 1] = id
    make_due(us + 30000000, DUE.EXPIRY, id)
  end
  return n_seen / 4
end
