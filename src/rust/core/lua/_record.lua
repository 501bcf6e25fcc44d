-- A worker's record, in the hash `workers` of the script: besides record.rs, the only place that knows
-- how it is stored. Leases are also in `due`. MessagePack of an array; scripts see a table with these
-- fields:
--   incarnation  of the worker of this name; requests of an older one are rejected
--   sequence     number of its last step
--   state        STARTING, IDLE, BUSY, PAUSED, EXITED or LOST
--   held         ids of the tasks it has claimed, without separator, in the order in which it runs them
--   lease        when its lease ends (server ms)
--   lease_ms     how long a lease lasts
--   nonce        of its registration
--   n_open       how many of the tasks it holds, at the end, have definitely not begun: before it begins
--                one of these, the worker reduces the number and waits for the reply

-- A record that cannot be read counts as none.
local function read_worker(id)
  local packed = redis.call('HGET', workers, id)
  local ok, f = pcall(cmsgpack.unpack, packed or '')
  if not ok or type(f) ~= 'table' or type(f[1]) ~= 'number' or type(f[2]) ~= 'number'
    or type(f[3]) ~= 'string' or type(f[4]) ~= 'string' or type(f[5]) ~= 'number'
    or type(f[6]) ~= 'number' or type(f[7]) ~= 'string' then
    return nil
  end
  return { incarnation = f[1], sequence = f[2], state = f[3], held = f[4], lease = f[5],
           lease_ms = f[6], nonce = f[7], n_open = f[8] or 0 }
end

local function write_worker(id, r)
  redis.call('HSET', workers, id, cmsgpack.pack({ r.incarnation, r.sequence, r.state, r.held,
                                                  r.lease, r.lease_ms, r.nonce, r.n_open }))
end

local function is_active(record)
  return record and record.state ~= 'EXITED' and record.state ~= 'LOST'
end

-- The record of a worker that is still registered under this incarnation, or nil.
local function registered(id, incarnation)
  local record = read_worker(id)
  return is_active(record) and record.incarnation == incarnation and record or nil
end

-- Also the first write of scripts that must work at maxmemory: before Redis 7, such a script may write
-- only after a write that frees memory.
local function end_lease(id)
  redis.call('ZREM', due, DUE.LEASE .. id)
end

local function renew_lease(id, record, ends)
  record.lease = ends
  redis.call('ZADD', due, ends, DUE.LEASE .. id)
end

local function held_ids(record)
  local ids = {}
  for i = 1, #record.held, ID_WIDTH do
    ids[#ids + 1] = string.sub(record.held, i, i + ID_WIDTH - 1)
  end
  return ids
end

-- The ids in a list, from `first` on, as a set.
local function id_set(list, first)
  local set = {}
  for i = first, #list do
    set[list[i]] = true
  end
  return set
end

-- How many tasks a worker holds after this one, and where its id begins; nil if it does not hold it.
-- Ids are random and have one length, so no match spans two of them.
local function n_held_behind(record, id)
  local at = string.find(record.held, id, 1, true)
  return at and (#record.held - at + 1) / ID_WIDTH - 1, at
end

-- Remove one id from those a worker holds.
local function release_held(record, id)
  local n_behind, at = n_held_behind(record, id)
  if at then
    record.held = string.sub(record.held, 1, at - 1) .. string.sub(record.held, at + ID_WIDTH)
    if n_behind < record.n_open then
      record.n_open = record.n_open - 1
    end
  end
end
