-- Prepended to every script: status letters, numbers and time, log entries, events.
-- Parts use locals of their script: prefix, and those listed at the top of the part.

-- A queue that was told to expire can be used until then, see destroy.rs. Keys created in the meantime
-- expire with it; otherwise they would stay for ever. KEYS[1] is a key of the queue, except for
-- rrq_heartbeat.
local redis = redis
local tag_end = string.find(KEYS[1], '}:', 1, true)
local left_ms = tag_end and redis.call('PTTL', string.sub(KEYS[1], 1, tag_end + 1) .. KEY.config) or -1
if left_ms >= 0 then
  local raw, raw_pcall = redis.call, redis.pcall
  local creates = { HSET = 1, HSETNX = 1, HINCRBY = 1, RPUSH = 1, LPUSH = 1, SET = 1, XADD = 1, ZADD = 1 }
  local function let_expire(command, reply, key)
    if creates[command] and raw('PTTL', key) == -1 then
      raw('PEXPIRE', key, left_ms)
    end
    return reply
  end
  redis = {
    call = function(command, ...)
      return let_expire(command, raw(command, ...), ...)
    end,
    pcall = function(command, ...)
      return let_expire(command, raw_pcall(command, ...), ...)
    end
  }
end

-- The letters and words are those of status.rs.
local PENDING, RUNNING, COMPLETE, ERROR, CANCELLED = 'A', 'B', 'C', 'D', 'E'
local DIED, TIMEOUT, DEFERRED, IMPOSSIBLE, MOVED = 'F', 'G', 'H', 'I', 'J'
local WORDS = { A = 'PENDING', B = 'RUNNING', C = 'COMPLETE', D = 'ERROR', E = 'CANCELLED',
                F = 'DIED', G = 'TIMEOUT', H = 'DEFERRED', I = 'IMPOSSIBLE', J = 'MOVED' }

local LOG_MAX = 5000
local ID_WIDTH = 32

local function is_open(status)
  return status == PENDING or status == RUNNING or status == DEFERRED
end

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- Lua itself would write a time with an exponent, and formats every number slowly, as a float; so does
-- the server with a number that is passed to a command.
local function digits(number)
  return string.format('%d', number)
end

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

-- A counter that is no number begins again; rrq_doctor() counts.
local function count(key, field, by)
  if by ~= 0 and failed(redis.pcall('HINCRBY', key, field, digits(by))) then
    redis.call('HSET', key, field, digits(by))
  end
end

-- Add to a key that only informs or wakes. If something else has taken its name, that goes: a script must
-- not fail for it after it has written the rest.
local function add_hint(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if failed(reply) then
    redis.call('UNLINK', key)
    reply = redis.call(command, key, ...)
  end
  return reply
end

local function count_status(counters, status, by)
  count(counters, FIELD.STATUS .. WORDS[status], by)
end

-- Anything written after somebody has destroyed the queue would stay for ever.
local function queue_exists(config)
  return redis.call('HEXISTS', config, FIELD.LAYOUT) == 1
end

-- A log entry may name many tasks; readers turn each into a line. `child` is the process it is about,
-- if that is not the worker's own.
local function log_line(lines, us, command, message, child)
  local time = child and digits(us) .. '/' .. child or digits(us)
  lines[#lines + 1] = time .. ' ' .. command .. ' ' .. message
end

local function write_log(key, lines)
  if #lines > 0 then
    if add_hint('RPUSH', key, unpack(lines)) > LOG_MAX then
      redis.call('LTRIM', key, -LOG_MAX, -1)
    end
  end
end

-- Collect the events for waiters, so that each of their streams gets one entry per script.
local function note_event(events, waiters, id, status)
  if waiters ~= '' then
    local noted = events[waiters] or {}
    noted[#noted + 1] = id .. status
    events[waiters] = noted
  end
end

-- A stream that no longer exists belonged to a waiter that has gone: NOMKSTREAM does not recreate it.
local function send_events(prefix, events)
  for waiters, noted in pairs(events) do
    local text = table.concat(noted)
    for number in string.gmatch(waiters, '%d+') do
      add_hint('XADD', prefix .. KEY.events .. number, 'NOMKSTREAM', '*', 't', text)
    end
  end
end
