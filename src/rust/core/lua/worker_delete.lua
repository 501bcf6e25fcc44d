-- Delete workers that have exited or were lost. Repeating it changes nothing.
-- KEYS: workers worker_infos
-- ARGV: key prefix, worker ids
-- Returns: the ids of those that have not exited; if there are any, nothing was changed.
local workers, infos = unpack(KEYS)
local prefix = ARGV[1]

-- include: _record.lua
-- include: _worker_keys.lua
local known, active = {}, {}
for i = 2, #ARGV do
  local record = read_worker(ARGV[i])
  known[#known + 1] = record and ARGV[i]
  active[#active + 1] = is_active(record) and ARGV[i] or nil
end
if #active > 0 then
  return active
end
for _, id in ipairs(known) do
  redis.call('HDEL', workers, id)
  redis.call('HDEL', infos, id)
  delete_worker_keys(id)
  redis.call('UNLINK', worker_key(id, WORKER.responses), worker_key(id, WORKER.log))
end
return active
