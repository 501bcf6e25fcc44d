-- Part of worker_sweep.lua: single tasks whose time has come.
-- include: _links.lua

local function start_scheduled(id)
  local header = read_header(redis.call('HGET', tasks, id))
  if header and header[H_STATUS] == PENDING and has_flag(header, FLAG_SCHEDULED) then
    drop_flag(header, FLAG_SCHEDULED)
    write_header(tasks, id, header)
    -- One taken out of its queue meanwhile stays out.
    if not has_flag(header, FLAG_UNQUEUED) then
      push_task(prefix, header[H_QUEUE], id)
    end
  end
end

local TERMINAL = { [COMPLETE] = true, [ERROR] = true, [CANCELLED] = true, [DIED] = true,
                   [TIMEOUT] = true, [IMPOSSIBLE] = true }

-- Name a task to whoever sweeps: forgetting it takes more than a script knows. Should that one go
-- away first, the task is named again. Returns what that cost, as part of a sweep's budget.
local function expire(id)
  local header = read_header(redis.call('HGET', tasks, id))
  if not header or not TERMINAL[header[H_STATUS]] then
    return 0
  end
  local needed, more, n_seen = is_needed(prefix, id)
  if more then
    make_due(prefix, us, 'X:' .. id)
  elseif needed then
    local pause = math.max(1000, math.min(read_rules(header)[R_TTL], 60000))
    make_due(prefix, us + 1000 * pause, 'X:' .. id)
  else
    expired[#expired + 1] = id
    make_due(prefix, us + 30000000, 'X:' .. id)
  end
  return n_seen / 4
end
