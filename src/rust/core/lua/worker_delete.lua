-- Forget workers that have exited or were lost. Repeating it changes nothing.
-- KEYS: w wi
-- ARGV: key prefix, worker ids
-- Returns: the ids of those that take part; nothing was changed if there is one.
local workers, infos = unpack(KEYS)
local prefix = ARGV[1]

local known, active = {}, {}
for i = 2, #ARGV do
  local record = read_worker(workers, ARGV[i])
  known[#known + 1] = record and ARGV[i]
  active[#active + 1] = is_active(record) and ARGV[i] or nil
end
if #active > 0 then
  return active
end
for _, id in ipairs(known) do
  redis.call('HDEL', workers, id)
  redis.call('HDEL', infos, id)
  for _, name in ipairs({ 'm', 'k', 'resp', 'log', 'hb', 'ctl' }) do
    redis.call('UNLINK', prefix .. 'w:' .. id .. ':' .. name)
  end
end
return active
