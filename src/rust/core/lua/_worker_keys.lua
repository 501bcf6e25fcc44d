-- The keys of one worker, for scripts that cannot get them as KEYS: stored data says which worker it is.

local function worker_key(id, name)
  return prefix .. KEY.worker .. id .. ':' .. name
end

-- Keys that only an active worker needs. Its log and its responses outlive it.
local function delete_worker_keys(id)
  redis.call('DEL', worker_key(id, WORKER.messages), worker_key(id, WORKER.wake),
             worker_key(id, WORKER.heartbeat), worker_key(id, WORKER.control),
             worker_key(id, WORKER.signals))
end
