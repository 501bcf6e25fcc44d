-- Delete tasks and everything stored for them. Repeating it changes nothing.
-- KEYS: those of Keys::task_hashes() in keys.rs, then counters due
-- ARGV: key prefix, 1 to delete only what has ended and nothing needs, 2 to find out what that would
--       keep, number of objects m, their hashes, then per task its id and, as text, the places of the
--       objects it refers to
-- Returns: {0, number of files to be deleted, id...} done, and these were kept; nothing was changed:
--          {1, id...} these tasks are running, {2, id...} these also belong to the chains of retries of
--          the given tasks.
local tasks, attempts, moved, was = KEYS[1], KEYS[6], KEYS[8], KEYS[9]
local counters, due = KEYS[11], KEYS[12]
local prefix, only_idle, dry_run = ARGV[1], ARGV[2] ~= '0', ARGV[2] == '2'
local n_objects = tonumber(ARGV[3])
-- include: _plain.lua
-- the rest
-- include: _end.lua
-- include: _links.lua
-- include: _chain.lua
-- include: _object.lua
-- include: _emitted.lua

local found, present = redis.call('HMGET', tasks, unpack(ids)), {}
for i, packed in ipairs(found) do
  present[#present + 1] = packed and ids[i] or nil
end
local others = #present > 0 and missing_of_chains(present) or { 2 }
if #others > 1 then
  return others
end
local kept = only_idle and chains_in_use(present) or {}
local done = { 0, 0 }
for _, id in ipairs(present) do
  done[#done + 1] = kept[id] and id or nil
end
if dry_run then
  return done
end
local known, headers, running, released = {}, {}, { 1 }, {}
for i, packed in ipairs(found) do
  if packed and not kept[ids[i]] then
    local header = read_header(packed)
    known[#known + 1], headers[#headers + 1] = ids[i], header
    if header.status == RUNNING then
      running[#running + 1] = ids[i]
    end
    for place in string.gmatch(object_places[i], '%d+') do
      local hash = ARGV[3 + place]
      released[hash] = (released[hash] or 0) + 1
    end
    if has_flag(header, FLAG_OBJECT) then
      released[header.result] = (released[header.result] or 0) + 1
    end
  end
end
if #running > 1 then
  return running
end
if #known == 0 then
  return done
end

for i = 1, 10 do
  if i ~= 6 then
    redis.call('HDEL', KEYS[i], unpack(known))
  end
end
drop_emitted(known)
local us, events, statuses, queued = now_us(), {}, {}, {}
for i, header in ipairs(headers) do
  local status, queue = header.status, header.queue
  statuses[status] = (statuses[status] or 0) + 1
  if is_queued(header) then
    queued[queue] = (queued[queue] or 0) + 1
  elseif status == PENDING then
    queued[queue] = queued[queue] or 0
  end
  if is_open(status) then
    note_event(events, header.waiters, known[i], '-')
  end
  delete_task(known[i], header, us)
end
for status, n in pairs(statuses) do
  count_status(counters, status, -n)
end
for queue, n in pairs(queued) do
  leave_queue(queue, n)
end
for hash, n in pairs(released) do
  release_object(hash, n)
end
send_events(prefix, events)
done[2] = redis.call('HLEN', prefix .. KEY.lost_files)
return done
