-- Remove tasks from a queue. They stay PENDING, but no worker will claim them. Repeating it changes
-- nothing, and returns the same.
-- KEYS: tasks counters
-- ARGV: key prefix, queue, ids
-- Returns: one text with '1' for each task that is removed now, '0' for the others.
local tasks, counters = unpack(KEYS)
local prefix, queue = ARGV[1], ARGV[2]

-- include: _queue.lua
local ids, flags, writes, removed, seen = {}, {}, {}, 0, {}
for i = 3, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
  local header = read_header(packed)
  local is_here = header and header.status == PENDING and header.queue == queue
  if is_here and is_queued(header) and not seen[ids[i]] then
    seen[ids[i]] = true
    add_flag(header, FLAG_UNQUEUED)
    writes[#writes + 1], writes[#writes + 2] = ids[i], pack_header(header)
    removed = removed + 1
  end
  flags[i] = is_here and '1' or '0'
end
if removed > 0 then
  redis.call('HSET', tasks, unpack(writes))
  leave_queue(queue, removed)
end
return table.concat(flags)
