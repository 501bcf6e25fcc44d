-- Shared by every script: status codes, the task header, the worker record, time, events.
-- The words behind the codes and the order of the fields are those of status.rs and header.rs.

local PENDING, RUNNING, COMPLETE, ERROR, CANCELLED = 'A', 'B', 'C', 'D', 'E'
local DIED, TIMEOUT, DEFERRED, IMPOSSIBLE, MOVED = 'F', 'G', 'H', 'I', 'J'
local WORDS = { A = 'PENDING', B = 'RUNNING', C = 'COMPLETE', D = 'ERROR', E = 'CANCELLED',
                F = 'DIED', G = 'TIMEOUT', H = 'DEFERRED', I = 'IMPOSSIBLE', J = 'MOVED' }

-- Task header: lines of text, the result last. Matching and joining text costs a quarter of what
-- packing and unpacking MessagePack does here. `watch` lists the waiters' numbers: '', '7', '7,12'.
-- `rules` are those of rules.rs, `set` is '<set>:<position>' of a task that depends on others.
local H_STATUS, H_ATTEMPT, H_SUBMIT, H_START, H_END, H_FLAGS = 1, 2, 3, 4, 5, 6
local H_QUEUE, H_WORKER, H_WATCH, H_RULES, H_SET, H_RESULT = 7, 8, 9, 10, 11, 12
local HEADER = '^(.)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'
local FLAG_EXTRA = 1       -- warnings and other rare attributes stand in hash `x`
local FLAG_LARGE = 2       -- the result stands in hash `r`
local FLAG_PARENT = 4      -- other tasks depend on it
local FLAG_CANCEL = 8      -- its worker was asked to stop it
local FLAG_UNQUEUED = 16   -- taken out of its queue: PENDING, but no worker will take it
local FLAG_SCHEDULED = 32  -- PENDING, but not in its queue before its time has come
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

-- A log entry may name many tasks: readers make a line of each. `child` is the process it is about,
-- where that is not the worker's own.
local function log_line(lines, us, command, message, child)
  local time = child and digits(us) .. '/' .. child or digits(us)
  lines[#lines + 1] = time .. ' ' .. command .. ' ' .. message
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

local function drop_flag(header, flag)
  if has_flag(header, flag) then
    header[H_FLAGS] = digits(header[H_FLAGS] - flag)
  end
end

-- What is to happen at a time stands in ZSET `due` as '<kind>:<subject>', see worker_sweep.lua.
local function make_due(prefix, us, member)
  redis.call('ZADD', prefix .. 'due', math.floor(us / 1000), member)
end

-- At the back of a queue, where it wakes a worker.
local function push_task(prefix, queue, id)
  redis.call('RPUSH', prefix .. 'q:' .. queue, id)
  redis.call('HINCRBY', prefix .. 'n', 'q:' .. queue, 1)
  redis.call('ZADD', prefix .. 'k:' .. queue, 0, 'w')
end

-- PENDING, but for its queue only at `ms` of server time: an idle worker must hear when to wake up.
local function schedule(prefix, id, header, ms)
  add_flag(header, FLAG_SCHEDULED)
  redis.call('ZADD', prefix .. 'due', ms, 'S:' .. id)
  redis.call('ZADD', prefix .. 'k:' .. header[H_QUEUE], 0, 'w')
end

-- The one that follows a retried task last, if it is one: its id and header.
-- HASH mv: id -> '<next id> <us> <status>'.
local function newest(prefix, id, header)
  while header and header[H_STATUS] == MOVED do
    id = string.sub(redis.call('HGET', prefix .. 'mv', id), 1, ID_WIDTH)
    header = read_header(redis.call('HGET', prefix .. 't', id))
  end
  return id, header
end
