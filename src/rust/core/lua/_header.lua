-- A task's header: besides header.rs, the only place that knows how it is stored.
--
-- Lines of text, the result last because it may contain line ends. Matching and joining text costs a
-- quarter of what packing and unpacking MessagePack does here. Scripts see a table with these fields,
-- all of them text:
--   status    letter, see _common.lua        worker    who claimed it last
--   attempt   how often it was claimed       waiters   their numbers: '', '7', '7,12'
--   submit    µs of server time              rules     see rules.rs
--   start     µs, or '0'                     set       '<set>:<position>' of a task that depends on
--   ended     µs, or '0'                               others
--   flags     sum of the FLAGs               result    if it is small
--   queue     its name

local HEADER = '^(.)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'
local FLAG_EXTRA = 1       -- warnings and other rare attributes stand in a hash of their own
local FLAG_LARGE = 2       -- the result does, too
local FLAG_PARENT = 4      -- other tasks depend on it
local FLAG_CANCEL = 8      -- its worker was asked to stop it
local FLAG_UNQUEUED = 16   -- taken out of its queue: PENDING, but no worker will claim it
local FLAG_SCHEDULED = 32  -- PENDING, but not in its queue before its time has come
local FLAG_OBJECT = 64     -- the result is the hash of an object
local FLAG_POISON = 128    -- it died because too many workers were lost while they ran it
local SMALL_RESULT = 128

local function new_header(queue, waiters, rules)
  return { status = PENDING, attempt = '0', submit = '0', start = '0', ended = '0', flags = '0',
           queue = queue, worker = '', waiters = waiters, rules = rules, set = '', result = '' }
end

-- What stands for a header that cannot be read: that of a task that ended with an error and without a value.
-- Readers tell the user which key and field it was, see R/task-error.R.
local function damaged_header()
  return { status = ERROR, attempt = '0', submit = '0', start = '0', ended = '0', flags = '0',
           queue = 'default', worker = '', waiters = '', rules = '', set = '', result = '',
           is_damaged = true }
end

local function read_header(packed)
  if not packed then
    return nil
  end
  local status, attempt, submit, start, ended, flags, queue, worker, waiters, rules, set, result =
    string.match(packed, HEADER)
  if not status or not WORDS[status] then
    return damaged_header()
  end
  return { status = status, attempt = attempt, submit = submit, start = start, ended = ended,
           flags = flags, queue = queue, worker = worker, waiters = waiters, rules = rules,
           set = set, result = result }
end

local function pack_header(h)
  return h.status .. '\n' .. h.attempt .. '\n' .. h.submit .. '\n' .. h.start .. '\n' .. h.ended
    .. '\n' .. h.flags .. '\n' .. h.queue .. '\n' .. h.worker .. '\n' .. h.waiters .. '\n' .. h.rules
    .. '\n' .. h.set .. '\n' .. h.result
end

-- Packs headers that differ only in their time of submission and their place in a set.
local function header_packer(h)
  local head = h.status .. '\n' .. h.attempt .. '\n'
  local middle = '\n' .. h.start .. '\n' .. h.ended .. '\n' .. h.flags .. '\n' .. h.queue .. '\n'
    .. h.worker .. '\n' .. h.waiters .. '\n' .. h.rules .. '\n'
  local tail = '\n' .. h.result
  return function(submit, set)
    return head .. submit .. middle .. set .. tail
  end
end

-- The two changes that nearly every task goes through, without a table: this takes a third of the time.
-- Both return nil for a header that is not as plain as that.

-- Of a task that waits in this queue, once a worker has claimed it; and which attempt that is.
local function claimed_header(packed, queue, worker, start)
  local attempt, submit, flags, its_queue, rest =
    string.match(packed or '', '^A\n(%d+)\n(%d+)\n0\n0\n([04])\n([^\n]*)\n\n(.*)$')
  if its_queue ~= queue then
    return nil
  end
  attempt = attempt == '0' and '1' or digits(attempt + 1)
  return 'B\n' .. attempt .. '\n' .. submit .. '\n' .. start .. '\n0\n' .. flags .. '\n' .. queue
    .. '\n' .. worker .. '\n' .. rest, attempt
end

-- Of a task that this worker runs, and for whose end at most one waits, once it has ended; and the number
-- of that waiter, or ''.
local function ended_header(packed, worker, attempt, status, start, ended, result)
  local its_attempt, submit, queue, its_worker, waiter =
    string.match(packed or '', '^B\n(%d+)\n(%d+)\n%d+\n0\n0\n([^\n]*)\n([^\n]*)\n(%d*)\n\n\n$')
  if its_worker ~= worker or its_attempt ~= attempt then
    return nil
  end
  return status .. '\n' .. attempt .. '\n' .. submit .. '\n' .. start .. '\n' .. ended .. '\n0\n'
    .. queue .. '\n' .. worker .. '\n' .. waiter .. '\n\n\n' .. result, waiter
end

-- The status of a task that ended in its first attempt and has no rules, no set, and of the flags at most
-- those for extras and a large result; nil for others.
local function plain_end(packed)
  return string.match(packed or '', '^([CD])\n1\n%d+\n%d+\n%d+\n[0-3]\n[^\n]*\n[^\n]*\n[^\n]*\n\n\n')
end

-- Its status, without reading the rest.
local function status_of(packed)
  return packed and string.sub(packed, 1, 1)
end

local function has_flag(header, flag)
  return header.flags ~= '0' and math.floor(header.flags / flag) % 2 == 1
end

local function add_flag(header, flag)
  if not has_flag(header, flag) then
    header.flags = digits(header.flags + flag)
  end
end

local function drop_flag(header, flag)
  if has_flag(header, flag) then
    header.flags = digits(header.flags - flag)
  end
end

-- Of the flags, only the one for dependants outlives an attempt.
local function reset_flags(header)
  if header.flags ~= '0' then
    header.flags = has_flag(header, FLAG_PARENT) and digits(FLAG_PARENT) or '0'
  end
end

-- Whether it waits in its queue, where workers claim it.
local function is_queued(header)
  return header.status == PENDING
    and not has_flag(header, FLAG_UNQUEUED) and not has_flag(header, FLAG_SCHEDULED)
end

-- Its set, or nil.
local function set_of(header)
  return header.set ~= '' and string.match(header.set, '%d+') or nil
end

-- Its place in that set, from 1.
local function place_in_set(header)
  return tonumber(string.match(header.set, ':(%d+)'))
end

local function load_header(tasks, id)
  return read_header(redis.call('HGET', tasks, id))
end

local function write_header(tasks, id, header)
  redis.call('HSET', tasks, id, pack_header(header))
end
