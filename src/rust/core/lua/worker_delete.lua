-- Delete workers that have exited or were lost. Repeating it changes nothing: a copy does not delete a worker
-- of the same name that has exited since.
-- KEYS: workers worker_infos config
-- ARGV: key prefix, token and number of the request, worker ids
-- Returns: the ids of those that have not exited; if there are any, nothing was changed.
local workers, infos, config = unpack(KEYS)
local prefix, token, number = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- include: _record.lua
-- include: _submitter.lua
-- include: _worker_keys.lua
if is_copy(redis.call('HGET', config, submitter)) then
  return {}
end
local known, active = {}, {}
for i = 4, #ARGV do
  local record = read_worker(ARGV[i])
  known[#known + 1] = record and ARGV[i]
  active[#active + 1] = is_active(record) and ARGV[i] or nil
end
if #active > 0 then
  return active
end
if queue_exists(config) then
  record_request(now_us())
end
for _, id in ipairs(known) do
  redis.call('HDEL', workers, id)
  redis.call('HDEL', infos, id)
  delete_worker_keys(id)
  redis.call('UNLINK', worker_key(id, WORKER.responses), worker_key(id, WORKER.log))
end
return active
