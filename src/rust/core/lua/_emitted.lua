-- The events that running tasks emit. Uses prefix of the script.
-- HASH emitted: '<task>:<n>' -> its nth event; '<task>' -> '<first> <next> <bytes> <told> <nonces>': the
-- events from first to next - 1 are stored, in so many bytes; the last nonces identify repeated requests.
--
-- Invariant: while told is 1, the stream of each waiter in the task's header holds an entry that names the
-- task, and that its reader has not acted on, or it registered after that entry was written. A reader
-- fetches all events (task_events.lua), which sets told to 0, and so does one that has just registered. So
-- no event is missed, and a stream that nobody reads gets one entry per task, however many events.

local function read_emitted(id)
  local stored = redis.call('HGET', prefix .. KEY.emitted, id)
  local first, next, bytes, told, nonces = string.match(stored or '', '^(%d+) (%d+) (%d+) (%d) (.*)$')
  return first and { first = tonumber(first), next = tonumber(next), bytes = tonumber(bytes),
                     told = told, nonces = nonces }
end

local function write_emitted(id, state)
  local line = digits(state.first) .. ' ' .. digits(state.next) .. ' ' .. digits(state.bytes)
  redis.call('HSET', prefix .. KEY.emitted, id, line .. ' ' .. state.told .. ' ' .. state.nonces)
end

-- The fields of its events after number `after`.
local function emitted_fields(id, state, after)
  local fields = {}
  for n = math.max(state.first, after + 1), state.next - 1 do
    fields[#fields + 1] = id .. ':' .. digits(n)
  end
  return fields
end

-- Delete the events of deleted tasks.
local function drop_emitted(ids)
  local key = prefix .. KEY.emitted
  if redis.call('EXISTS', key) == 0 then
    return
  end
  for _, id in ipairs(ids) do
    local state = read_emitted(id)
    if state then
      redis.call('HDEL', key, id, unpack(emitted_fields(id, state, 0)))
    end
  end
end
