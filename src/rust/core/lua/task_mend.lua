-- Mend a task, for rrq_doctor(). What it is to be mended of is checked again. Repeating it changes nothing.
-- KEYS: workers tasks counters due
-- ARGV: key prefix, task id, what to do (see `actions`), 1 to find out only whether there is something to do
-- Returns: 1, or 0 when there was nothing to do.
local workers, tasks, counters, due = unpack(KEYS)
local prefix, id, action, dry_run = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local us, events, lines = now_us(), {}, {}

-- include: _held.lua
-- include: _links.lua
-- include: _record.lua
local header = load_header(tasks, id)
if not header then
  return 0
end

local function is_held()
  local record = read_worker(header.worker)
  return is_active(record) and n_held_behind(record, id)
end

-- Whether a DEFERRED task waits for a set that nothing will release: what counts its dependencies is lost.
local function is_stranded()
  local set, sets = set_of(header), prefix .. KEY.sets
  if not set then
    return true
  end
  local found = redis.call('HMGET', sets, set .. SET.LEFT, set .. SET.GIVEN, set .. SET.PARTS)
  if found[2] then
    return false
  elseif not found[1] then
    return not redis.call('ZSCORE', due, DUE.RELEASE .. set) and not redis.call('ZSCORE', due, DUE.IMPOSSIBLE .. set)
  end
  local n_open = 0
  for k = 0, tonumber(found[3] or 0) do
    local on = parents_in(set, k) or ''
    for at = 1, #on, ID_WIDTH do
      local link = string.sub(on, at, at + ID_WIDTH - 1) .. ':' .. set
      n_open = n_open + (redis.call('ZSCORE', prefix .. KEY.dependents, link) and 1 or 0)
    end
  end
  return n_open ~= tonumber(found[1])
end

local function fail()
  if is_queued(header) then
    leave_queue(header.queue, 1)
  elseif header.status == PENDING and has_flag(header, FLAG_SCHEDULED) then
    unschedule(id, header)
  end
  reset_flags(header)
  end_task(id, header, ERROR, us, events)
end

-- Each has a condition, and what is done if it holds.
local actions = {
  -- Its header cannot be read.
  rewrite = { function() return header.is_damaged end, function()
    header.ended = digits(us)
    pcall(notify_sets, id, false, us)
    write_header(tasks, id, header)
  end },
  -- It cannot run, because its body cannot be read, or does not lead to its retry.
  fail = { function() return is_open(header.status) or header.status == MOVED end, fail },
  -- It counts as RUNNING, but no worker holds it: as if that worker had been lost.
  resolve = { function() return header.status == RUNNING and not is_held() end, function()
    resolve_task(header.worker, id, DIED, us, events, lines)
  end },
  -- It waits, and is not in the list of its queue. It is counted already.
  queue = { function()
    return is_queued(header) and not is_listed(header.queue, id)
  end, function()
    requeue(header.queue, { id })
    count_queue(header.queue, -1)
  end },
  strand = { function() return header.status == DEFERRED and is_stranded() end, fail },
}
local is_wanted, act = unpack(actions[action])
if not is_wanted() then
  return 0
elseif not dry_run then
  act()
  send_events(prefix, events)
end
return 1
