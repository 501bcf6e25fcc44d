-- Register a waiter for the ends of tasks. Uses tasks, stream and config of the script.
--
-- A header names at most WAITERS_MAX waiters, because every script reads all of it. Before another one is
-- refused, those go whose streams have expired. One that is refused asks again from time to time.

-- include: _header.lua
local WAITERS_MAX = 100

local function n_waiters(header)
  return select(2, string.gsub(header.waiters, '%d+', ''))
end

local function drop_gone(header)
  local left = {}
  local prefix = string.match(stream, '^(.*' .. KEY.events .. ')%d+$')
  for number in string.gmatch(header.waiters, '%d+') do
    if redis.call('EXISTS', prefix .. number) == 1 then
      left[#left + 1] = number
    end
  end
  header.waiters = table.concat(left, ',')
end

-- Returns whether it is named now.
local function add_waiter(header, waiter)
  if n_waiters(header) >= WAITERS_MAX then
    drop_gone(header)
  end
  local has_room = n_waiters(header) < WAITERS_MAX
  if has_room then
    header.waiters = header.waiters == '' and waiter or header.waiters .. ',' .. waiter
  end
  return has_room
end

-- One text with the status of each task, '-' when there is no such task, in lower case if the waiter was
-- refused; nil when the queue no longer exists.
local function watch_tasks(waiter, lifetime, ids)
  if not queue_exists(config) then
    return nil
  end
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XADD', stream, '0-1', 't', '')
  end
  redis.call('PEXPIRE', stream, lifetime)
  local codes, writes = {}, {}
  for i, packed in ipairs(redis.call('HMGET', tasks, unpack(ids))) do
    codes[i] = status_of(packed) or '-'
    if packed and not WORDS[codes[i]] then
      codes[i] = ERROR
    elseif is_open(codes[i]) then
      local header = read_header(packed)
      if header.is_damaged then
        codes[i] = ERROR
      elseif not string.find(',' .. header.waiters .. ',', ',' .. waiter .. ',', 1, true) then
        if not add_waiter(header, waiter) then
          codes[i] = string.lower(codes[i])
        end
        writes[#writes + 1], writes[#writes + 2] = ids[i], pack_header(header)
      end
    end
  end
  if #writes > 0 then
    redis.call('HSET', tasks, unpack(writes))
  end
  return table.concat(codes)
end
