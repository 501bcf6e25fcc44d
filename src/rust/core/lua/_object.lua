-- Objects: values stored under the hash of their content. Small ones stand in `objects`; `stored_objects`
-- says where the others are: '<place> <size> <bytes> <detail> <encoding>', where the place is 'c' for
-- chunks in the server (detail: how many) or 'f' for a file outside it (detail: its generation).
-- An object lives as long as tasks or tags refer to it, or it is pinned: the pin is a timer of its own.

local function has_object(hash)
  return redis.call('HEXISTS', prefix .. KEY.objects, hash) == 1
    or redis.call('HEXISTS', prefix .. KEY.stored_objects, hash) == 1
end

local function pin(name, us, pin_ms)
  redis.call('ZADD', prefix .. KEY.due, math.floor(us / 1000) + pin_ms, DUE.OBJECT .. name)
end

local function is_pinned(hash)
  return redis.call('ZSCORE', prefix .. KEY.due, DUE.OBJECT .. hash)
end

local function is_tagged(hash)
  local from, to = '[h:' .. hash .. ':', '(h:' .. hash .. ';'
  return #redis.call('ZRANGEBYLEX', prefix .. KEY.object_tags, from, to, 'LIMIT', 0, 1) > 0
end

-- The file of an object is deleted by a process that has access to it, see `lost_files`.
local function delete_object(hash)
  local found = redis.call('HGET', prefix .. KEY.stored_objects, hash) or ''
  local place, bytes, detail = string.match(found, '^(%a) %d+ (%d+) (%S+)')
  if place == 'f' then
    redis.call('HSET', prefix .. KEY.lost_files, hash .. '-' .. detail, bytes)
  elseif place == 'c' then
    redis.call('UNLINK', prefix .. KEY.object .. hash)
  end
  if place then
    redis.call('HDEL', prefix .. KEY.stored_objects, hash)
  end
  redis.call('HDEL', prefix .. KEY.objects, hash)
end

-- Delete an object that nothing refers to.
local function drop_object(hash)
  if redis.call('HEXISTS', prefix .. KEY.object_refs, hash) == 0 and not is_tagged(hash)
    and not is_pinned(hash) then
    delete_object(hash)
  end
end

-- So many tasks refer to it no longer.
local function release_object(hash, n)
  if redis.call('HINCRBY', prefix .. KEY.object_refs, hash, -n) <= 0 then
    redis.call('HDEL', prefix .. KEY.object_refs, hash)
    drop_object(hash)
  end
end

-- Its pin has ended, or the time in which the chunks of a new object must all have arrived.
local function unpin(name)
  redis.call('ZREM', prefix .. KEY.due, DUE.OBJECT .. name)
  drop_object(name)
  if not has_object(name) then
    redis.call('UNLINK', prefix .. KEY.object .. name)
  end
end
