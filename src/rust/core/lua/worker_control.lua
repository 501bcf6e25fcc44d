-- Wake the control threads of workers with a command. Each entry begins with the worker's incarnation,
-- so that a later worker of the same name ignores it. Repeating it changes nothing: a copy does not end a
-- worker that has registered since.
-- KEYS: workers config, then the control list of each worker
-- ARGV: token and number of the request, the command, ms after which an entry that nobody took is dropped,
--       worker ids
-- Returns: the ids that do not belong to active workers; all others get the entry.
local workers, config = KEYS[1], KEYS[2]
local token, number, entry, lifetime_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

-- include: _record.lua
-- include: _submitter.lua
local absent, is_new = {}, queue_exists(config) and not is_repeated()
for i = 5, #ARGV do
  local list, record = KEYS[i - 2], read_worker(ARGV[i])
  if is_active(record) and is_new then
    redis.call('RPUSH', list, digits(record.incarnation) .. ' ' .. entry)
    -- Other entries in the list also only wake the thread.
    redis.call('PEXPIRE', list, lifetime_ms)
  elseif not is_active(record) then
    absent[#absent + 1] = ARGV[i]
  end
end
return absent
