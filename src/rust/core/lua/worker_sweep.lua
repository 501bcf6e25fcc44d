-- Declare workers lost whose lease has lapsed, and settle the tasks they held. At most 4 a call.
-- KEYS: w t n due
-- ARGV: key prefix
-- Returns: per lost worker {worker id, task id...}
local workers, tasks, counters, due = unpack(KEYS)
local prefix = ARGV[1]

local us = now_us()
local lapsed = redis.call('ZRANGEBYSCORE', due, '-inf', us / 1000, 'LIMIT', 0, 4)
local report = {}
for _, member in ipairs(lapsed) do
  local id = string.sub(member, 3)
  local record, lines, events = read_worker(workers, id), {}, {}
  redis.call('ZREM', due, member)
  if is_active(record) then
    local died = end_held({ t = tasks, n = counters }, id, record, us, events, lines)
    log_line(lines, us, 'LOST', '')
    write_log(prefix .. 'w:' .. id .. ':log', lines)
    send_events(prefix, events)
    record[W_STATE] = 'LOST'
    write_worker(workers, id, record)
    redis.call('DEL', prefix .. 'w:' .. id .. ':m', prefix .. 'w:' .. id .. ':k',
               prefix .. 'w:' .. id .. ':hb')
    table.insert(died, 1, id)
    report[#report + 1] = died
  end
end
return report
