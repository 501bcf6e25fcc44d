-- Do what is due: resolve workers whose lease has expired, release tasks whose dependencies have ended
-- or whose start time has been reached, name tasks to be deleted. A call does at most four things that
-- touch up to 256 tasks each, or 256 that touch one; the rest stays due.
-- KEYS: workers tasks counters due
-- ARGV: key prefix, 1 to do only what is to be done at once: resolving dependants
-- Returns: how many things were done, the ids of tasks to be deleted, the number of files to be deleted,
--          then per lost worker {worker id, the new status of each task, see resolve_held()...}
local workers, tasks, counters, due = unpack(KEYS)
local prefix, only_at_once = ARGV[1], ARGV[2] == '1'
local us, events, report, expired = now_us(), {}, {}, {}
-- include: _end.lua
-- include: _depend.lua
-- include: _expire.lua
-- include: _object.lua
local BUDGET, HEAVY, POSTPONE_MS = 256, 64, 5000
-- Of so many workers it looks at the leases.
local SAMPLE = 64

-- include: _leave.lua
local function lose_if_active(id)
  local record = read_worker(id)
  if is_active(record) then
    local resolved = lose_worker(id, record)
    table.insert(resolved, 1, id)
    report[#report + 1] = resolved
  end
end

-- More than 256 sets that wait for a task are notified in turns.
local function go_on_notifying(id, ok)
  local done = notify_sets(id, ok, us)
  if done and redis.call('HEXISTS', tasks, id) == 0 then
    drop_links(id, us)
  end
end

local handlers = {
  [DUE.LEASE] = lose_if_active,
  [DUE.RELEASE] = release_set,
  [DUE.IMPOSSIBLE] = fail_set,
  [DUE.COMPLETE] = function(id) go_on_notifying(id, true) end,
  [DUE.FAILED] = function(id) go_on_notifying(id, false) end,
  [DUE.LINKS] = function(id) drop_links(id, us) end,
  [DUE.SET] = function(set) leave_parents(set, us) end,
  [DUE.PREPARED] = function(set) close_set(set, us) end,
  [DUE.NEEDED] = function(part)
    local set, k = string.match(part, '^(%d+):(%d+)$')
    need_parents(set, tonumber(k), us)
  end,
  [DUE.SCHEDULED] = start_scheduled,
  [DUE.EXPIRY] = expire,
  [DUE.OBJECT] = unpin,
}
-- The leases that have expired, wherever they are among the due entries.
local function lapsed_leases()
  local lapsed, ids = {}, redis.call('HKEYS', workers)
  for first = 1, #ids, 1000 do
    local leases = {}
    for i = first, math.min(first + 999, #ids) do
      leases[#leases + 1] = DUE.LEASE .. ids[i]
    end
    for i, ends in ipairs(redis.call('ZMSCORE', due, unpack(leases))) do
      lapsed[#lapsed + 1] = ends and tonumber(ends) <= us / 1000 and leases[i] or nil
    end
  end
  return lapsed
end

-- What is to be done at once: its score and member. It may make more of it due, so it is read one by one.
local function first_at_once()
  local score = redis.call('ZRANGEBYSCORE', due, '-inf', AT_ONCE, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return score and redis.call('ZREVRANGEBYSCORE', due, score, score, 'LIMIT', 0, 1)[1], score
end

local n, spent = 0, 0
-- Returns false when the budget is used up.
local function handle(member, score)
  local kind = string.sub(member, 1, 2)
  local cost = (kind == DUE.SCHEDULED or kind == DUE.EXPIRY) and 1 or HEAVY
  if spent + cost > BUDGET then
    return false
  end
  if redis.call('ZREM', due, member) == 1 then
    n = n + 1
    spent = spent + cost
    -- What stands there by mistake goes; what fails is tried again later, so that it stops nothing else.
    if handlers[kind] then
      local ok, more = pcall(handlers[kind], string.sub(member, 3), score)
      if ok then
        spent = spent + (more or 0)
      else
        redis.call('ZADD', due, us / 1000 + POSTPONE_MS, member)
      end
    end
  end
  return true
end

local function handle_all(members)
  for _, member in ipairs(members) do
    if not handle(member) then
      break
    end
  end
end

-- include: _clamp.lua
if not only_at_once then
  clamp_leases(SAMPLE, math.floor(us / 1000))
end
local member, score = first_at_once()
local timed = only_at_once and {} or redis.call('ZRANGEBYSCORE', due, AT_ONCE, us / 1000, 'LIMIT', 0, BUDGET)
-- Lost workers must not wait behind a million tasks that have expired, or are released.
if not only_at_once and (member or #timed == BUDGET) then
  handle_all(lapsed_leases())
end
while member and handle(member, score) do
  member, score = first_at_once()
end
handle_all(timed)
send_events(prefix, events)
table.insert(report, 1, redis.call('HLEN', prefix .. KEY.lost_files))
table.insert(report, 1, expired)
table.insert(report, 1, n)
return report
