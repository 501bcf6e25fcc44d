-- Put back an entry of the control list, or of the signals, that the thread of a worker that has ended
-- took: it is for a later worker of the same name, if there is one.
-- KEYS: workers list
-- ARGV: worker id, entry
-- Returns: 1, or 0 when there is none.
local workers, list = unpack(KEYS)
local id, entry = ARGV[1], ARGV[2]

-- include: _record.lua
if not is_active(read_worker(id)) then
  return 0
end
redis.call('LPUSH', list, entry)
return 1
