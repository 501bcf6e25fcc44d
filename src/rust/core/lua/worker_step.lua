-- One turn of a worker: report finished tasks, then take a message or claim more tasks. The order
-- matters:
-- 1. The report comes first: until then the outcomes exist only in the worker's memory, and a message may
--    end or restart its process. Tasks that have ended are no longer held, and a task that is retried may
--    be claimed in the same turn.
-- 2. A message comes before tasks: a worker that is told to stop or pause claims nothing more. It stays
--    in the list until message_respond.lua, so it is not lost with the reply.
-- 3. Nothing is claimed while something is due at once: the tasks that this releases go first, in their
--    order, and a set may have been released in part. The worker is told to sweep.
-- 4. Claims come from the queues in the worker's order. Claimed tasks are added to those the worker
--    holds, in the order in which it runs them; all but the first `window` are open.
-- 5. A worker that slept has taken a marker: it is set again for each queue in which tasks are left after
--    the claim, to wake another worker for these.
-- 6. A step sent before the worker slept is taken when it wakes, even if its machine was lost or suspended
--    meanwhile and nobody will read the reply. So it is served only for a while; after that, the reply is
--    that the worker is idle, without a marker, and it asks again. A replay is answered at any time: the
--    worker is awake, and would never learn of the task that the first copy has claimed.
--
-- A step with the number of the last one is a replay: the reply was lost. Its report was already applied,
-- so it is ignored, and so is the window. The worker has begun none of the tasks it was given; the reply
-- again lists all it holds, before any message that came in the meantime. A smaller number is rejected:
-- the worker has sent a later step, which reported the same tasks.
--
-- Invariant: after each step the record names all tasks that are RUNNING by this worker. A task that it
-- does not name is neither replayed nor resolved if the worker is lost, so the record is written by the
-- script that claims. A worker that dies before a step still holds what it has run, and the outcomes are
-- lost; one that dies after a step holds what it was given, even if it never read the reply.
--
-- KEYS: workers tasks bodies results extras counters due messages log, then the lists of its queues
--       and their markers
-- ARGV: prefix, id and incarnation of the worker, number of the step, how many tasks to claim at most and
--       how many of those it holds may begin, 1 if it has slept, server ms when it fell asleep if this
--       was sent before, otherwise 0, names of its queues, separated by NUL; then per finished task:
--       id, attempt, status, started us ago, ended us ago, result, rare attributes or '',
--       1 if its rules allow a retry, 'o' if the result is an object, the id of its separate process or ''
-- Returns: {'GONE'} no longer registered; {'MESSAGE', text};
--          {'TASKS', is anything due, (id, attempt, body)...};
--          {'IDLE', is anything due, ms until the next timer, state, server ms}
local workers, tasks, bodies, results, extras, counters, due, messages, log = unpack(KEYS)
local prefix, id, incarnation, sequence, claim_limit, window, woken, asleep, names = unpack(ARGV, 1, 9)
sequence, claim_limit, woken = tonumber(sequence), tonumber(claim_limit), woken == '1'
local FIRST_FINISH, FINISH_WIDTH = 10, 9
local queues = {}
for name in string.gmatch(names, '%Z+') do
  queues[#queues + 1] = name
end
-- A lease is renewed when less than this part of it is left.
local LEASE_LEFT = 0.6
-- For so long after a worker fell asleep, its machine is taken to be there.
local AWAKE_MS = 200

-- include: _record.lua
local record = registered(id, tonumber(incarnation))
if not record or sequence < record.sequence then
  return { 'GONE' }
end
local replay = sequence == record.sequence
local us = now_us()
local ms = math.floor(us / 1000)
if not replay and asleep ~= '0' and ms - asleep > AWAKE_MS then
  return { 'IDLE', 0, 0, record.state, ms }
end
-- include: _small.lua
-- the rest
-- include: _end.lua
local lines, events, writes, delta = {}, {}, {}, {}
local ended, claimed, attempts, ask_again = {}, {}, {}, false
local n_writes = 0
local function add_packed(task, header)
  n_writes = n_writes + 2
  writes[n_writes - 1], writes[n_writes] = task, header
end

local function bump(status, by)
  delta[status] = (delta[status] or 0) + by
end

local function end_command(status)
  return 'TASK_' .. (status == PENDING and 'RETRY' or WORDS[status])
end

-- include: _finish.lua
-- include: _claim.lua
if not replay and #ARGV >= FIRST_FINISH then
  local ids = {}
  for at = FIRST_FINISH, #ARGV, FINISH_WIDTH do
    ids[#ids + 1] = ARGV[at]
  end
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
    finish(packed, ids[i], FIRST_FINISH + FINISH_WIDTH * (i - 1))
  end
  if table.concat(ids) == record.held then
    record.held, record.n_open = '', 0
  else
    for _, task in ipairs(ids) do
      release_held(record, task)
    end
  end
  for status, same in pairs(ended) do
    bump(RUNNING, -same.n)
    bump(status, same.n)
    log_line(lines, us, end_command(status), table.concat(same, ' '))
  end
  -- Before claims read the headers: a task that is retried may already be in its queue.
  if ended[PENDING] then
    redis.call('HSET', tasks, unpack(writes))
    writes, n_writes = {}, 0
  end
end

if record.lease - ms < record.lease_ms * LEASE_LEFT then
  renew_lease(id, record, ms + record.lease_ms)
end
local timer = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local until_due = timer[2] and timer[2] - ms or 60000
local is_due_at_once = timer[2] and tonumber(timer[2]) <= AT_ONCE
local message = redis.call('LINDEX', messages, 0)
if message and not string.match(message, '^%Z+%z%d+%z%Z+%z') then
  redis.call('LPOP', messages)
  log_line(lines, us, 'MESSAGE', 'that cannot be read')
  message = nil
end
if replay then
  -- A message may have come after the reply that was lost: the tasks of that reply go first.
  if claim_limit > 0 and record.held ~= '' then
    message = nil
  end
  for i, task in ipairs(held_ids(record)) do
    local header = load_header(tasks, task)
    claimed[i], attempts[i] = task, header and header.attempt or 0
  end
elseif not message and record.state ~= 'PAUSED' and claim_limit > 0 and not is_due_at_once then
  for _, queue in ipairs(queues) do
    -- A batch comes from one queue, because tasks left in it go before those of the next queue.
    if #claimed == 0 and not is_paused(queue) then
      claim_from(queue)
    end
  end
  if #claimed > 0 then
    record.held = record.held .. table.concat(claimed)
    record.n_open = math.max(0, #claimed - window)
    log_line(lines, us, 'TASK_START', table.concat(claimed, ' '))
  end
end
-- A report in the middle of a batch also moves the window.
if not replay and #claimed == 0 then
  local n_behind = math.max(0, #record.held / ID_WIDTH - window)
  record.n_open = math.min(record.n_open, n_behind)
end
for _, queue in ipairs(woken and queues or {}) do
  wake_next(queue)
end
-- The worker begins to answer it now. Of a report in the middle of a batch it ignores the message; a
-- replay was logged before.
if message and claim_limit > 0 and not replay then
  log_line(lines, us, 'MESSAGE', string.match(message, '^%Z*%z%Z*%z(%Z*)'))
end

if #writes > 0 then
  redis.call('HSET', tasks, unpack(writes))
end
for status, by in pairs(delta) do
  count_status(counters, status, by)
end
send_events(prefix, events)
write_log(log, lines)

record.sequence = sequence
if record.state ~= 'PAUSED' then
  record.state = record.held == '' and 'IDLE' or 'BUSY'
end
write_worker(id, record)

if message then
  return { 'MESSAGE', message }
end
if (#claimed == 0 and not ask_again) or claim_limit == 0 then
  return { 'IDLE', until_due <= 0 and 1 or 0, until_due, record.state, ms }
end
local reply = { 'TASKS', until_due <= 0 and 1 or 0 }
for i, body in ipairs(#claimed > 0 and redis.call('HMGET', bodies, unpack(claimed)) or {}) do
  local at = 3 * i
  reply[at], reply[at + 1], reply[at + 2] = claimed[i], attempts[i], body
end
return reply
