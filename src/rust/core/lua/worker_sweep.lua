-- Do what is due: resolve workers whose lease has lapsed, release tasks whose dependencies have
-- ended or whose time has come, name tasks to be deleted. A call does at most four things that
-- touch up to 256 tasks each, or 256 that touch one; what is left stays due.
-- KEYS: workers tasks counters due
-- ARGV: key prefix, 1 to do only what is to be done at once: what follows for tasks that depend on
--       others
-- Returns: how many things were done, the ids of tasks to be deleted, then per lost worker
--          {worker id, what became of each task, see resolve_held()...}
local workers, tasks, counters, due = unpack(KEYS)
local prefix, only_at_once = ARGV[1], ARGV[2] == '1'
local us, events, report, expired = now_us(), {}, {}, {}
-- include: _end.lua
-- include: _depend.lua
-- include: _expire.lua
local BUDGET, HEAVY = 256, 64

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
}
-- The leases that have lapsed, wherever they stand among what is due.
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

local last = only_at_once and AT_ONCE or us / 1000
local members = redis.call('ZRANGEBYSCORE', due, '-inf', last, 'LIMIT', 0, BUDGET)
if #members == BUDGET and not only_at_once then
  -- Lost workers must not wait behind a million tasks that have expired.
  local leases = lapsed_leases()
  for i, member in ipairs(members) do
    leases[#leases + 1] = member
  end
  members = leases
end
local n, spent = 0, 0
for _, member in ipairs(members) do
  local kind = string.sub(member, 1, 2)
  spent = spent + ((kind == DUE.SCHEDULED or kind == DUE.EXPIRY) and 1 or HEAVY)
  if spent > BUDGET then
    break
  end
  if redis.call('ZREM', due, member) == 1 then
    n = n + 1
    spent = spent + (handlers[kind](string.sub(member, 3)) or 0)
  end
end
send_events(prefix, events)
table.insert(report, 1, expired)
table.insert(report, 1, n)
return report
