-- Requests that a process numbers, because what is stored does not show that they were taken before: chunks
-- of tasks (whether or not their tasks still exist), messages, settings and the like. Uses their token and
-- number. In HASH config, '<SUBMITTER><token>' -> '<number>,<ms>', the last request of a process that was
-- taken or given up, and when. For the numbers see submitter.rs; a worker's registration is the only request
-- of its nonce.
--
-- A request arrives twice if its reply is lost: the process repeats it until its retry time-out (5 s, after
-- up to 30 s for the reply and 5 s to connect), and data sent over an abandoned connection may still
-- arrive while TCP resends it (about 15 minutes) or the server does not read it. By then the tasks may
-- have run and expired or been deleted, so their headers do not show that it is a copy. A copy is
-- recognised while the field exists: at least KEEP_MS after the last such request of the process. After
-- that, or if the queue was destroyed and created again, only the header of the first task shows it. A
-- field costs about 100 bytes. A script that adds one checks 16 fields and drops those that are too old;
-- so if n processes have submitted within KEEP_MS, about n / 15 older fields are left.
local KEEP_MS = 3600000
local submitter = FIELD.SUBMITTER .. token

local function is_copy(recorded)
  return recorded and number <= tonumber(string.match(recorded, '^%d+') or 0)
end

local function drop_old_submitters(ms)
  local some = redis.call('HRANDFIELD', config, 16, 'WITHVALUES')
  for i = 1, #some, 2 do
    local is_submitter = string.sub(some[i], 1, #FIELD.SUBMITTER) == FIELD.SUBMITTER
    if is_submitter and ms - (string.match(some[i + 1], '%d+$') or 0) > KEEP_MS then
      redis.call('HDEL', config, some[i])
    end
  end
end

local function record_request(us)
  local ms = math.floor(us / 1000)
  local recorded = digits(number) .. ',' .. digits(ms)
  if redis.call('HSET', config, submitter, recorded) == 1 then
    drop_old_submitters(ms)
  end
end

-- Whether this request was taken before. From now on it was.
local function is_repeated()
  if is_copy(redis.call('HGET', config, submitter)) then
    return true
  end
  record_request(now_us())
  return false
end
