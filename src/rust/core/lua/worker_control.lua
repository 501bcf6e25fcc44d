-- Wake the control threads of workers with a command. Each entry begins with the worker's incarnation,
-- so that a later worker of the same name ignores it.
-- KEYS: workers, then the control list of each worker
-- ARGV: the command, ms after which an entry that nobody took is dropped, worker ids
-- Returns: the ids that do not belong to active workers; all others get the entry.
local workers, entry, lifetime_ms = KEYS[1], ARGV[1], ARGV[2]

-- include: _record.lua
local absent = {}
for i = 3, #ARGV do
  local list, record = KEYS[i - 1], read_worker(ARGV[i])
  if is_active(record) then
    local own = digits(record.incarnation) .. ' ' .. entry
    if not redis.call('LPOS', list, own) then
      redis.call('RPUSH', list, own)
    end
    -- Other entries in the list also only wake the thread.
    redis.call('PEXPIRE', list, lifetime_ms)
  else
    absent[#absent + 1] = ARGV[i]
  end
end
return absent
