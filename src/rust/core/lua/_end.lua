-- Part of the scripts that end tasks: what follows from an end. Sets of tasks that depend on the
-- same others are worked off by _depend.lua, rules are those of rules.rs.

local R_TTL, R_ATTEMPTS, R_DELAY, R_FACTOR, R_LONGEST, R_CAUSES = 1, 2, 3, 4, 5, 6
local CAUSES = { [ERROR] = 1, [DIED] = 2, [TIMEOUT] = 4 }

local function read_rules(header)
  local rules = {}
  for number in string.gmatch(header[H_RULES], '%d+') do
    rules[#rules + 1] = tonumber(number)
  end
  return rules
end

-- After how many ms a task that ended so is tried again; nil if it is not.
local function retry_delay(id, header, status)
  local cause = CAUSES[status]
  if header[H_RULES] == '' or not cause or has_flag(header, FLAG_CANCEL) then
    return nil
  end
  local rules, attempt = read_rules(header), tonumber(header[H_ATTEMPT])
  if attempt >= rules[R_ATTEMPTS] or math.floor(rules[R_CAUSES] / cause) % 2 == 0 then
    return nil
  end
  local longest = rules[R_LONGEST]
  local delay = math.min(rules[R_DELAY] * (rules[R_FACTOR] / 1000) ^ (attempt - 1), longest)
  -- A quarter more or less, by the id: what failed together should not come back together. Also
  -- where the longest is reached, so only less there.
  local least, most = 0.75 * delay, math.min(1.25 * delay, longest)
  local at = attempt % (ID_WIDTH - 4) + 1
  return math.floor(least + (most - least) * tonumber(string.sub(id, at, at + 3), 16) / 65536)
end

-- Back to the queue, after an attempt that failed. What is known of the attempt is kept.
-- HASH at: '<id>:<attempt>' -> status, worker, start, end, result, as lines.
local function try_again(prefix, id, header, status, result, delay, us)
  local record = { status, header[H_WORKER], header[H_START], header[H_END], result }
  redis.call('HSET', prefix .. 'at', id .. ':' .. header[H_ATTEMPT], table.concat(record, '\n'))
  header[H_STATUS], header[H_WORKER], header[H_START], header[H_END] = PENDING, '', '0', '0'
  header[H_FLAGS] = has_flag(header, FLAG_PARENT) and digits(FLAG_PARENT) or '0'
  if delay > 0 then
    schedule(prefix, id, header, math.floor(us / 1000) + delay)
  else
    push_task(prefix, header[H_QUEUE], id)
  end
end

-- Tell the sets that wait for this task, at most 256 of them now: it is done with, well or badly.
-- Returns whether all were told. For ZSET dn see _links.lua.
-- HASH ds: '<set>:left', how many tasks it waits for, '<set>:failed', '<set>:any', '<set>:open', ...
local function settle_sets(prefix, id, ok, us)
  local low, sets, told = '[' .. id .. ':', prefix .. 'ds', {}
  local links = redis.call('ZRANGEBYLEX', prefix .. 'dn', low, '(' .. id .. ';', 'LIMIT', 0, 256)
  for i, link in ipairs(links) do
    local set = string.sub(link, ID_WIDTH + 2)
    told[2 * i - 1], told[2 * i] = 0, id .. '+' .. set
    local waits = redis.call('HEXISTS', sets, set .. ':left') == 1
    if waits and (ok or redis.call('HGET', sets, set .. ':any') == '1') then
      if redis.call('HINCRBY', sets, set .. ':left', -1) == 0 then
        redis.call('HDEL', sets, set .. ':left')
        make_due(prefix, us, 'R:' .. set)
      end
    elseif waits then
      -- No later end of another task may release what is now impossible.
      redis.call('HDEL', sets, set .. ':left')
      redis.call('HSET', sets, set .. ':failed', 1)
      make_due(prefix, us, 'I:' .. set)
    end
  end
  if #links > 0 then
    redis.call('ZREM', prefix .. 'dn', unpack(links))
    redis.call('ZADD', prefix .. 'dn', unpack(told))
  end
  if #links < 256 then
    return true
  end
  make_due(prefix, us, (ok and 'C:' or 'F:') .. id)
  return false
end

-- What follows from the end of any task. Its header must be written by the caller.
local function task_ended(prefix, id, header, ok, us)
  if has_flag(header, FLAG_PARENT) then
    settle_sets(prefix, id, ok, us)
  end
  if header[H_SET] ~= '' then
    redis.call('HINCRBY', prefix .. 'ds', string.match(header[H_SET], '%d+') .. ':open', -1)
  end
  local ttl = header[H_RULES] ~= '' and read_rules(header)[R_TTL] or 0
  if ttl > 0 then
    make_due(prefix, us + 1000 * ttl, 'X:' .. id)
  end
end

-- End a task without a value (its worker was lost, it was cancelled, ...).
local function end_task(keys, id, header, status, us, events)
  count(keys.n, 's:' .. WORDS[header[H_STATUS]], -1)
  count(keys.n, 's:' .. WORDS[status], 1)
  note_event(events, header[H_WATCH], id, status)
  header[H_STATUS], header[H_END] = status, digits(us)
  task_ended(keys.prefix, id, header, false, us)
  write_header(keys.t, id, header)
end

-- Settle one task that a worker held and did not report; returns what became of it, '<letter><id>'.
local function end_one(keys, worker_id, id, status, us, events, lines)
  local header = read_header(redis.call('HGET', keys.t, id))
  if not header or header[H_STATUS] ~= RUNNING or header[H_WORKER] ~= worker_id then
    return nil
  end
  local delay = retry_delay(id, header, status)
  if delay then
    header[H_END] = digits(us)
    try_again(keys.prefix, id, header, status, '', delay, us)
    write_header(keys.t, id, header)
    count(keys.n, 's:RUNNING', -1)
    count(keys.n, 's:PENDING', 1)
    log_line(lines, us, 'TASK_RETRY', id)
  else
    status = has_flag(header, FLAG_CANCEL) and CANCELLED or status
    end_task(keys, id, header, status, us, events)
    log_line(lines, us, 'TASK_' .. WORDS[status], id)
  end
  return header[H_STATUS] .. id
end

-- Settle everything a worker held when it went away; returns what became of each.
local function end_held(keys, worker_id, record, us, events, lines)
  local settled = {}
  for _, id in ipairs(held_ids(record)) do
    settled[#settled + 1] = end_one(keys, worker_id, id, DIED, us, events, lines)
  end
  record[W_HELD] = ''
  return settled
end
