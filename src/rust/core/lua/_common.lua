-- Shared by every script: status codes, the task header, the worker record, time, events.
-- The words behind the codes and the order of the fields are those of status.rs and header.rs.

local PENDING, RUNNING, COMPLETE, ERROR, CANCELLED = 'A', 'B', 'C', 'D', 'E'
local DIED, TIMEOUT, DEFERRED, IMPOSSIBLE, MOVED = 'F', 'G', 'H', 'I', 'J'
local WORDS = { A = 'PENDING', B = 'RUNNING', C = 'COMPLETE', D = 'ERROR', E = 'CANCELLED',
                F = 'DIED', G = 'TIMEOUT', H = 'DEFERRED', I = 'IMPOSSIBLE', J = 'MOVED' }

-- Task header: lines of text, the result last. Matching and joining text costs a quarter of what
-- packing and unpacking MessagePack does here. `watch` lists the waiters' numbers: '', '7', '7,12'.
local H_STATUS, H_ATTEMPT, H_SUBMIT, H_START, H_END = 1, 2, 3, 4, 5
local H_FLAGS, H_QUEUE, H_WORKER, H_WATCH, H_RESULT = 6, 7, 8, 9, 10
local HEADER = '^(.)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'
local FLAG_EXTRA = 1   -- warnings and other rare attributes stand in hash `x`
local FLAG_LARGE = 2   -- the result stands in hash `r`
local FLAG_PARENT = 4  -- other tasks wait for it
local SMALL_RESULT = 128

-- Worker record. `held` is the ids of its claimed tasks, 32 characters each, without separator.
local W_INC, W_SEQ, W_STATE, W_HELD, W_LEASE, W_EXPIRE, W_NONCE = 1, 2, 3, 4, 5, 6, 7

local LOG_MAX = 5000
local ID_WIDTH = 32

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- Lua itself would write a time with an exponent, and any number by way of a slow float format.
local function digits(number)
  return string.format('%d', number)
end

local function read_header(packed)
  return packed and { string.match(packed, HEADER) } or nil
end

local function write_header(key, id, header)
  redis.call('HSET', key, id, table.concat(header, '\n'))
end

local function read_worker(key, id)
  local packed = redis.call('HGET', key, id)
  return packed and cmsgpack.unpack(packed) or nil
end

local function write_worker(key, id, record)
  redis.call('HSET', key, id, cmsgpack.pack(record))
end

local function is_active(record)
  return record and record[W_STATE] ~= 'EXITED' and record[W_STATE] ~= 'LOST'
end

local function held_ids(record)
  local ids = {}
  for i = 1, #record[W_HELD], ID_WIDTH do
    ids[#ids + 1] = string.sub(record[W_HELD], i, i + ID_WIDTH - 1)
  end
  return ids
end

-- Remove one id from the ids a worker holds; ids are fixed-width, so no id can match across two.
local function release_held(record, id)
  local at = string.find(record[W_HELD], id, 1, true)
  if at then
    record[W_HELD] = string.sub(record[W_HELD], 1, at - 1) .. string.sub(record[W_HELD], at + ID_WIDTH)
  end
end

-- A log entry may name many tasks: readers make a line of each.
local function log_line(lines, us, command, message)
  lines[#lines + 1] = digits(us) .. ' ' .. command .. ' ' .. message
end

local function write_log(key, lines)
  if #lines > 0 then
    redis.call('RPUSH', key, unpack(lines))
    redis.call('LTRIM', key, -LOG_MAX, -1)
  end
end

-- Collect what waiters must hear, so that each of their streams gets one entry per script.
local function note_event(events, watch, id, status)
  if watch ~= '' then
    local noted = events[watch] or {}
    noted[#noted + 1] = id .. status
    events[watch] = noted
  end
end

-- A stream that no longer exists belongs to a waiter that went away: NOMKSTREAM keeps it away.
local function send_events(prefix, events)
  for watch, noted in pairs(events) do
    local text = table.concat(noted)
    for number in string.gmatch(watch, '%d+') do
      redis.call('XADD', prefix .. 'ev:' .. number, 'NOMKSTREAM', '*', 't', text)
    end
  end
end

local function count(key, field, by)
  if by ~= 0 then
    redis.call('HINCRBY', key, field, by)
  end
end

local function has_flag(header, flag)
  return math.floor(header[H_FLAGS] / flag) % 2 == 1
end

local function add_flag(header, flag)
  if not has_flag(header, flag) then
    header[H_FLAGS] = digits(header[H_FLAGS] + flag)
  end
end

-- A set of tasks that wait for the same others: what is left of it is worked off by whoever sweeps.
local function make_due(prefix, us, member)
  redis.call('ZADD', prefix .. 'due', math.floor(us / 1000), member)
end

-- Tell the sets that wait for this task, at most 256 of them now: it is done with, well or badly.
-- ZSET dn: '<task>:<set>'. HASH ds: '<set>:left', '<set>:any', '<set>:queue', ...
local function settle_sets(prefix, id, ok, us)
  local waiting = redis.call('ZRANGEBYLEX', prefix .. 'dn', '[' .. id .. ':', '(' .. id .. ';', 'LIMIT', 0, 256)
  local sets = prefix .. 'ds'
  for _, member in ipairs(waiting) do
    local set = string.sub(member, ID_WIDTH + 2)
    local open = redis.call('HEXISTS', sets, set .. ':left') == 1
    if open and (ok or redis.call('HGET', sets, set .. ':any') == '1') then
      if redis.call('HINCRBY', sets, set .. ':left', -1) == 0 then
        make_due(prefix, us, 'R:' .. set)
      end
    elseif open then
      -- No later end of another task may release what is now impossible.
      redis.call('HDEL', sets, set .. ':left')
      make_due(prefix, us, 'I:' .. set)
    end
  end
  if #waiting > 0 then
    redis.call('ZREM', prefix .. 'dn', unpack(waiting))
  end
  if #waiting == 256 then
    make_due(prefix, us, (ok and 'C:' or 'F:') .. id)
  end
end

local function parent_ended(prefix, id, header, ok, us)
  if has_flag(header, FLAG_PARENT) then
    settle_sets(prefix, id, ok, us)
  end
end

-- End a task without a value (its worker was lost, it was cancelled, ...).
local function end_task(keys, id, header, status, us, events)
  count(keys.n, 's:' .. WORDS[header[H_STATUS]], -1)
  count(keys.n, 's:' .. WORDS[status], 1)
  note_event(events, header[H_WATCH], id, status)
  parent_ended(keys.prefix, id, header, false, us)
  header[H_STATUS], header[H_END] = status, digits(us)
  write_header(keys.t, id, header)
end

-- Settle everything a worker held when it went away; returns the ids that were running.
local function end_held(keys, worker_id, record, us, events, lines)
  local died = {}
  for _, id in ipairs(held_ids(record)) do
    local header = read_header(redis.call('HGET', keys.t, id))
    if header and header[H_STATUS] == RUNNING and header[H_WORKER] == worker_id then
      end_task(keys, id, header, DIED, us, events)
      log_line(lines, us, 'TASK_DIED', id)
      died[#died + 1] = id
    end
  end
  record[W_HELD] = ''
  return died
end
