-- Read the events of tasks. From now on, those who watch them are notified of the next one.
-- KEYS: emitted
-- ARGV: prefix, then per task its id and the number of the last event that is known
-- Returns: per task {number of the first event that is stored, number of the next one to come, events
--          after the known one...}; {} when it has emitted none.
local emitted = KEYS[1]
local prefix = ARGV[1]

-- include: _emitted.lua
local reply = {}
for i = 2, #ARGV, 2 do
  local id, after = ARGV[i], tonumber(ARGV[i + 1])
  local state, found = read_emitted(id), {}
  if state then
    local fields = emitted_fields(id, state, after)
    found = #fields > 0 and redis.call('HMGET', emitted, unpack(fields)) or {}
    table.insert(found, 1, state.next)
    table.insert(found, 1, state.first)
    if state.told == '1' then
      state.told = '0'
      write_emitted(id, state)
    end
  end
  reply[#reply + 1] = found
end
return reply
