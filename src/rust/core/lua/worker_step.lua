-- One turn of a worker: report finished tasks, then take a message or claim more tasks.
-- KEYS: w t b r x n due messages log, then the queues' lists, then their wake markers
-- ARGV: worker id, incarnation, sequence, how many to claim, index of the marker taken or 0,
--       key prefix, number of queues, their names, then finished tasks:
--       (id, attempt, status, started us ago, ended us ago, result, rare attributes or '',
--       1 if its rules may try it again, the process it had of its own or '')
-- Returns: {'GONE'} not registered any more; {'MESSAGE', text};
--          {'TASKS', is anything due, (id, attempt, body)...};
--          {'IDLE', is anything due, ms until the next timer, state}
local workers, tasks, bodies, results, extras = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local counters, due, messages, log = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local id, incarnation, sequence = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local want, took, prefix, n_queues = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local first_finish, queue_at, wake_at = 8 + n_queues, 9, 9 + n_queues

local record = read_worker(workers, id)
if not is_active(record) or record[W_INC] ~= incarnation or sequence < record[W_SEQ] then
  return { 'GONE' }
end
local replay = sequence == record[W_SEQ]
local us, lines, events, writes, delta = now_us(), {}, {}, {}, {}
local ended, claimed, attempts = {}, {}, {}

local n_writes = 0
local function add_write(task, header)
  n_writes = n_writes + 2
  writes[n_writes - 1], writes[n_writes] = task, table.concat(header, '\n')
end

local function bump(field, by)
  delta[field] = (delta[field] or 0) + by
end

local function end_command(status)
  return 'TASK_' .. (status == PENDING and 'RETRY' or WORDS[status])
end

local any_paused = false
-- include: _end.lua
-- include: _finish.lua
-- include: _claim.lua
if not replay and #ARGV >= first_finish then
  local ids = {}
  for at = first_finish, #ARGV, 9 do
    ids[#ids + 1] = ARGV[at]
  end
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
    finish(read_header(packed), ids[i], first_finish + 9 * (i - 1))
  end
  if table.concat(ids) == record[W_HELD] then
    record[W_HELD] = ''
  else
    for _, task in ipairs(ids) do
      release_held(record, task)
    end
  end
  for status, same in pairs(ended) do
    bump('s:RUNNING', -same.n)
    bump('s:' .. WORDS[status], same.n)
    if #same > 0 then
      log_line(lines, us, end_command(status), table.concat(same, ' '))
    end
  end
  -- Before claims read the headers: a task that is tried again may be in its queue already.
  if ended[PENDING] then
    redis.call('HSET', tasks, unpack(writes))
    writes, n_writes = {}, 0
  end
end

local message = redis.call('LINDEX', messages, 0)
if replay then
  -- A message may have come after the answer that was lost: the tasks that answer gave go first.
  if want > 0 and record[W_HELD] ~= '' then
    message = nil
  end
  for i, task in ipairs(held_ids(record)) do
    local header = read_header(redis.call('HGET', tasks, task))
    claimed[i], attempts[i] = task, header and header[H_ATTEMPT] or 0
  end
elseif not message and record[W_STATE] ~= 'PAUSED' then
  local n_paused = want > 0 and redis.call('HGET', counters, 'paused')
  any_paused = n_paused and n_paused ~= '0'
  for q = 1, n_queues do
    -- A batch comes from one queue: it may leave tasks there that go before those of the next.
    if want > 0 and #claimed == 0 and not is_paused(q) then
      claim_from(q, want, claimed)
    end
  end
  if #claimed > 0 then
    record[W_HELD] = record[W_HELD] .. table.concat(claimed)
    log_line(lines, us, 'TASK_START', table.concat(claimed, ' '))
  end
end
-- A marker wakes one worker. Whoever took it puts it back while there is work left.
if took > 0 and redis.call('LLEN', KEYS[queue_at + took]) > 0 and not is_paused(took) then
  redis.call('ZADD', KEYS[wake_at + took], 0, 'w')
end

if #writes > 0 then
  redis.call('HSET', tasks, unpack(writes))
end
for field, by in pairs(delta) do
  count(counters, field, by)
end
send_events(prefix, events)
write_log(log, lines)

local ms = math.floor(us / 1000)
if record[W_LEASE] - ms < record[W_EXPIRE] * 0.6 then
  record[W_LEASE] = ms + record[W_EXPIRE]
  redis.call('ZADD', due, record[W_LEASE], 'L:' .. id)
end
record[W_SEQ] = sequence
if record[W_STATE] ~= 'PAUSED' then
  record[W_STATE] = record[W_HELD] == '' and 'IDLE' or 'BUSY'
end
write_worker(workers, id, record)

if message then
  return { 'MESSAGE', message }
end
local timer = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local until_due = timer[2] and timer[2] - ms or 60000
if (#claimed == 0 and not more) or want == 0 then
  return { 'IDLE', until_due <= 0 and 1 or 0, until_due, record[W_STATE] }
end
local reply = { 'TASKS', until_due <= 0 and 1 or 0 }
for i, body in ipairs(#claimed > 0 and redis.call('HMGET', bodies, unpack(claimed)) or {}) do
  local at = 3 * i
  reply[at], reply[at + 1], reply[at + 2] = claimed[i], attempts[i], body
end
return reply
