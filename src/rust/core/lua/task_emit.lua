-- Append an event to those of a running task, and notify those who watch it. The oldest events make room.
-- KEYS: tasks emitted
-- ARGV: prefix, task id, nonce of the request, event, how many events and bytes are kept at most
-- Returns: 1, or 0 when it is not running.
local tasks, emitted = unpack(KEYS)
local prefix, id, nonce, event, most, most_bytes = unpack(ARGV)

-- include: _header.lua
-- include: _emitted.lua
local header = load_header(tasks, id)
if not header or header.status ~= RUNNING then
  return 0
end
local state = read_emitted(id) or { first = 1, next = 1, bytes = 0, told = '0', nonces = '' }
if string.find(state.nonces, nonce, 1, true) then
  return 1
end
redis.call('HSET', emitted, id .. ':' .. digits(state.next), event)
state.next, state.bytes = state.next + 1, state.bytes + #event
while state.next - state.first > tonumber(most)
  or (state.bytes > tonumber(most_bytes) and state.next - state.first > 1) do
  local oldest = id .. ':' .. digits(state.first)
  state.bytes = state.bytes - redis.call('HSTRLEN', emitted, oldest)
  redis.call('HDEL', emitted, oldest)
  state.first = state.first + 1
end
if state.told == '0' and header.waiters ~= '' then
  state.told = '1'
  for number in string.gmatch(header.waiters, '%d+') do
    redis.call('XADD', prefix .. KEY.events .. number, 'NOMKSTREAM', '*', 'e', id)
  end
end
-- Of the processes of one task several may emit at a time.
state.nonces = string.sub(nonce .. state.nonces, 1, 8 * #nonce)
write_emitted(id, state)
return 1
