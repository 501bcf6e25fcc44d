-- Forget tasks and all that is stored for them. Repeating it changes nothing.
-- KEYS: t b r x prog n o oref
-- ARGV: key prefix, number of objects m, their hashes, then per task its id and, as text, the
--       places of the objects it refers to
-- Returns: the ids of those that run; nothing was changed if there is one.
local tasks, counters, objects, refs = KEYS[1], KEYS[6], KEYS[7], KEYS[8]
local prefix, n_objects = ARGV[1], tonumber(ARGV[2])

-- include: _waiting.lua
local ids, uses = {}, {}
for i = 3 + n_objects, #ARGV, 2 do
  ids[#ids + 1], uses[#uses + 1] = ARGV[i], ARGV[i + 1]
end
local known, headers, running, released = {}, {}, {}, {}
for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
  local header = read_header(packed)
  if header then
    known[#known + 1], headers[#headers + 1] = ids[i], header
    if header[H_STATUS] == RUNNING then
      running[#running + 1] = ids[i]
    end
    for place in string.gmatch(uses[i], '%d+') do
      released[place] = (released[place] or 0) + 1
    end
  end
end
if #running > 0 or #known == 0 then
  return running
end

for i = 1, 5 do
  redis.call('HDEL', KEYS[i], unpack(known))
end
local us, events, statuses, queued = now_us(), {}, {}, {}
for i, header in ipairs(headers) do
  local status, queue = header[H_STATUS], header[H_QUEUE]
  statuses[status] = (statuses[status] or 0) + 1
  if is_queued(header) then
    queued[queue] = (queued[queue] or 0) + 1
  end
  if status == PENDING or status == DEFERRED then
    note_event(events, header[H_WATCH], known[i], '-')
    parent_ended(prefix, known[i], header, false, us)
  end
end
for status, n in pairs(statuses) do
  count(counters, 's:' .. WORDS[status], -n)
end
for queue, n in pairs(queued) do
  leave_queue(prefix, counters, queue, n)
end
for place, n in pairs(released) do
  local hash = ARGV[2 + place]
  if redis.call('HINCRBY', refs, hash, -n) <= 0 then
    redis.call('HDEL', refs, hash)
    redis.call('HDEL', objects, hash)
  end
end
send_events(prefix, events)
return running
