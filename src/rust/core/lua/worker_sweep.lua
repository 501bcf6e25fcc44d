-- Do what is due: settle workers whose lease has lapsed, and tasks whose dependencies have ended.
-- At most 4 entries a call, 256 tasks each; what is left stays due.
-- KEYS: w t n due
-- ARGV: key prefix
-- Returns: how many entries were worked on, then per lost worker {worker id, task id...}
local workers, tasks, counters, due = unpack(KEYS)
local prefix = ARGV[1]
local keys = { t = tasks, n = counters, prefix = prefix }
local us, events, report = now_us(), {}, {}
-- include: _depend.lua

local function lose_worker(id)
  local record, lines = read_worker(workers, id), {}
  if not is_active(record) then
    return
  end
  local died = end_held(keys, id, record, us, events, lines)
  log_line(lines, us, 'LOST', '')
  write_log(prefix .. 'w:' .. id .. ':log', lines)
  record[W_STATE] = 'LOST'
  write_worker(workers, id, record)
  redis.call('DEL', prefix .. 'w:' .. id .. ':m', prefix .. 'w:' .. id .. ':k',
             prefix .. 'w:' .. id .. ':hb', prefix .. 'w:' .. id .. ':ctl')
  table.insert(died, 1, id)
  report[#report + 1] = died
end

local entries = redis.call('ZRANGEBYSCORE', due, '-inf', us / 1000, 'LIMIT', 0, 4)
for _, member in ipairs(entries) do
  local kind, subject = string.sub(member, 1, 1), string.sub(member, 3)
  redis.call('ZREM', due, member)
  if kind == 'L' then
    lose_worker(subject)
  elseif kind == 'R' then
    release_set(subject)
  elseif kind == 'I' then
    fail_set(subject)
  else
    settle_sets(prefix, subject, kind == 'C', us)
  end
end
send_events(prefix, events)
table.insert(report, 1, #entries)
return report
