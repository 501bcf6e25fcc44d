-- What happens to the tasks that a worker held when it left, or that it hands back.

-- include: _end.lua
-- include: _record.lua

-- The status in the record of an attempt whose worker was lost, rather than told to exit. Readers look at its
-- first letter.
local LOST_ATTEMPT = DIED .. 'L'
-- Whether the worker that held the tasks was lost.
local is_lost = false

-- The header of a task that this worker holds, or nil.
local function held_header(worker_id, id, us)
  local header = load_header(tasks, id)
  if header and header.is_damaged then
    quarantine(id, RUNNING, us)
  end
  return header and header.status == RUNNING and header.worker == worker_id and header
end

-- Whether a task that a worker was lost with has now taken too many with it: then it is not retried, whatever
-- its rules say otherwise. Without rules it is not retried anyway.
local function is_poison(id, header)
  if header.rules == '' then
    return false
  end
  local most, n = read_rules(header)[R_LOST] or 3, 1
  for attempt = tonumber(header.attempt) - 1, 1, -1 do
    local record = redis.call('HGET', prefix .. KEY.attempts, id .. ':' .. digits(attempt))
    n = n + (record and string.sub(record, 1, #LOST_ATTEMPT) == LOST_ATTEMPT and 1 or 0)
    if n >= most then
      return true
    end
  end
  return n >= most
end

-- End one task that a worker held and did not report, or queue it again; returns its new status as
-- '<letter><id>'.
local function resolve_task(worker_id, id, status, us, events, lines)
  local header = held_header(worker_id, id, us)
  if not header then
    return nil
  end
  local delay = retry_delay(id, header, status)
  if delay and is_lost and is_poison(id, header) then
    delay = nil
    add_flag(header, FLAG_POISON)
  end
  if delay then
    header.ended = digits(us)
    retry_task(id, header, is_lost and LOST_ATTEMPT or status, '', delay, us)
    write_header(tasks, id, header)
    count_status(counters, RUNNING, -1)
    count_status(counters, PENDING, 1)
    log_line(lines, us, 'TASK_RETRY', id)
  else
    status = has_flag(header, FLAG_CANCEL) and CANCELLED or status
    end_task(id, header, status, us, events)
    log_line(lines, us, 'TASK_' .. WORDS[status], id)
  end
  return header.status .. id
end

-- Hand back tasks that a worker has claimed and definitely not begun: to the front of their queues, in
-- order, without counting an attempt. Tasks to be cancelled end. Returns those it still held, last one
-- first.
local function hand_back(worker_id, ids, us, events, lines)
  local returned, n_pending = {}, 0
  for i = #ids, 1, -1 do
    local id = ids[i]
    local header = held_header(worker_id, id, us)
    if header then
      if has_flag(header, FLAG_CANCEL) then
        end_task(id, header, CANCELLED, us, events)
        log_line(lines, us, 'TASK_CANCELLED', id)
      else
        header.status, header.attempt = PENDING, digits(header.attempt - 1)
        header.worker, header.start = '', '0'
        write_header(tasks, id, header)
        requeue(header.queue, { id })
        n_pending = n_pending + 1
      end
      returned[#returned + 1] = id
    end
  end
  count_status(counters, PENDING, n_pending)
  count_status(counters, RUNNING, -n_pending)
  return returned
end

-- Resolve everything that a worker held when it left. What it has definitely not begun goes back, the
-- rest has died. If it can, the worker itself says what it has begun (`begun`, a set of ids); otherwise
-- only the open tasks count as not begun.
-- Returns the new status of each: '<letter><id>', or '-<id>' if it went back or was cancelled.
local function resolve_held(worker_id, record, us, events, lines, begun)
  local ids, not_begun, resolved = held_ids(record), {}, {}
  for i, id in ipairs(ids) do
    local is_open = i > #ids - record.n_open
    if begun then
      is_open = not begun[id]
    end
    if is_open then
      not_begun[#not_begun + 1] = id
    else
      resolved[#resolved + 1] = resolve_task(worker_id, id, DIED, us, events, lines)
    end
  end
  for _, id in ipairs(hand_back(worker_id, not_begun, us, events, lines)) do
    resolved[#resolved + 1] = '-' .. id
  end
  record.held, record.n_open = '', 0
  return resolved
end
