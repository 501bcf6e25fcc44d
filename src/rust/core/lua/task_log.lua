-- Store the output of a task so far, while this worker runs it in this attempt: after its end, and
-- after the queue was destroyed, nothing may be written.
-- KEYS: tasks logs
-- ARGV: task id, worker id, attempt, bytes printed so far, the log
-- Returns: 1, or 0 when it is not running there, or when more is already stored.
local tasks, logs = unpack(KEYS)
local id, worker, attempt, total, log = unpack(ARGV)

-- include: _header.lua
local header = load_header(tasks, id)
if not header or header.status ~= RUNNING or header.worker ~= worker or header.attempt ~= attempt then
  return 0
end
-- Two threads of the worker write, so an older state may arrive later.
local stored = redis.call('HGET', logs, id)
local has_attempt, has_total = string.match(stored or '', '^(%d+) %d+ (%d+)')
if has_attempt == attempt and tonumber(has_total) > tonumber(total) then
  return 0
end
redis.call('HSET', logs, id, log)
return 1
