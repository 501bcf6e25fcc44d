-- Do what is due: settle workers whose lease has lapsed, release tasks whose dependencies have
-- ended or whose time has come, name tasks to be forgotten. A call does at most four things that
-- touch up to 256 tasks each, or 256 that touch one; what is left stays due.
-- KEYS: w t n due
-- ARGV: key prefix
-- Returns: how many things were done, the ids of tasks to be forgotten, then per lost worker
--          {worker id, what became of a task as a letter and its id...}
local workers, tasks, counters, due = unpack(KEYS)
local prefix = ARGV[1]
local keys = { t = tasks, n = counters, prefix = prefix }
local us, events, report, expired = now_us(), {}, {}, {}
-- include: _end.lua
-- include: _depend.lua
-- include: _expire.lua
local BUDGET, HEAVY = 256, 64

-- include: _lose.lua
local function lose_if_active(id)
  local record = read_worker(workers, id)
  if is_active(record) then
    local settled = lose_worker(id, record)
    table.insert(settled, 1, id)
    report[#report + 1] = settled
  end
end

-- Those who wait for more than 256 sets of tasks are told in turns.
local function go_on_settling(id, ok)
  local done = settle_sets(prefix, id, ok, us)
  if done and redis.call('HEXISTS', tasks, id) == 0 then
    drop_links(prefix, id, us)
  end
end

local handlers = {
  L = lose_if_active,
  R = release_set,
  I = fail_set,
  C = function(id) go_on_settling(id, true) end,
  F = function(id) go_on_settling(id, false) end,
  D = function(id) drop_links(prefix, id, us) end,
  E = function(set) leave_parents(prefix, set, us) end,
  S = start_scheduled,
  X = expire,
}
local n, spent = 0, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', us / 1000, 'LIMIT', 0, BUDGET)) do
  local kind = string.sub(member, 1, 1)
  spent = spent + ((kind == 'S' or kind == 'X') and 1 or HEAVY)
  if spent > BUDGET then
    break
  end
  n = n + 1
  redis.call('ZREM', due, member)
  spent = spent + (handlers[kind](string.sub(member, 3)) or 0)
end
send_events(prefix, events)
table.insert(report, 1, expired)
table.insert(report, 1, n)
return report
