-- An object is complete: give it its name, and pin it. Repeating it changes nothing: a copy of the request
-- that arrives after the object was deleted again finds no draft.
-- KEYS: config
-- ARGV: key prefix, 1 if the store belongs to a queue, ms for which to pin, hash, where it is, see
--       _object.lua ('': the bytes follow), '' or the bytes, the name of its draft ('': none)
-- Returns: 1; 2 if it was stored before, elsewhere; 0 if the time to send it is over; -1 if the queue no
--          longer exists.
local config, prefix, owned, pin_ms = KEYS[1], ARGV[1], ARGV[2] == '1', ARGV[3]
local hash, where, bytes, draft = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

-- include: _object.lua

if owned and not queue_exists(config) then
  return -1
end
local drafts = draft ~= '' and prefix .. KEY.object .. draft
local function end_draft()
  if drafts then
    redis.call('UNLINK', drafts)
    redis.call('ZREM', prefix .. KEY.due, DUE.OBJECT .. draft)
  end
end

if has_object(hash) then
  end_draft()
  pin(hash, now_us(), pin_ms)
  return redis.call('HGET', prefix .. KEY.stored_objects, hash) == where and 1 or 2
end
local n_chunks = string.match(where, '^c %d+ %d+ (%d+)')
if drafts and redis.call('HLEN', drafts) ~= (n_chunks or 0) + 1 then
  return 0
end
if n_chunks then
  redis.call('HDEL', drafts, 'begun')
  redis.call('RENAME', drafts, prefix .. KEY.object .. hash)
end
end_draft()
if where == '' then
  redis.call('HSET', prefix .. KEY.objects, hash, bytes)
else
  redis.call('HSET', prefix .. KEY.stored_objects, hash, where)
end
pin(hash, now_us(), pin_ms)
return 1
