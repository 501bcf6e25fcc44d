-- The keys of one worker, where a script cannot be given them: which worker stands in stored data.

local function worker_key(id, name)
  return prefix .. KEY.worker .. id .. ':' .. name
end

-- What only a worker that takes part needs. Its log and its answers outlive it.
local function delete_worker_keys(id)
  redis.call('DEL', worker_key(id, WORKER.messages), worker_key(id, WORKER.wake),
             worker_key(id, WORKER.heartbeat), worker_key(id, WORKER.control))
end
