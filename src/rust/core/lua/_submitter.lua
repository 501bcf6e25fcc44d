-- Part of task_submit.lua and task_withdraw.lua: which chunks were queued, whether or not their tasks still
-- exist, or are not to be. In HASH config, '<SUBMITTER><token>' -> '<number>,<ms>', the last chunk that a
-- process has submitted or given up, and when. For the numbers see submitter.rs.
--
-- A chunk comes twice when its reply is lost: the process repeats it for its retry time-out (5 s, after
-- up to 30 s for the reply and 5 s to connect), and what was sent over a connection given up may still
-- arrive as long as TCP sends it again (about 15 minutes) or the server does not read it. By then its
-- tasks may have run and expired or been deleted, so their headers cannot tell. A copy is recognised as
-- long as the field exists: at least KEEP_MS after the process submitted last. After that, or when the
-- queue was destroyed and created again, only the header of its first task tells. A field costs about
-- 100 bytes. Whoever adds one looks at 16 fields and drops those that are too old; so where n processes
-- have submitted within KEEP_MS, about n / 15 older ones are left.
local KEEP_MS = 3600000
local submitter = FIELD.SUBMITTER .. options.token

local function is_copy(recorded)
  return recorded and options.number <= tonumber(string.match(recorded, '^%d+'))
end

local function drop_old_submitters(ms)
  local some = redis.call('HRANDFIELD', config, 16, 'WITHVALUES')
  for i = 1, #some, 2 do
    local is_submitter = string.sub(some[i], 1, #FIELD.SUBMITTER) == FIELD.SUBMITTER
    if is_submitter and ms - string.match(some[i + 1], '%d+$') > KEEP_MS then
      redis.call('HDEL', config, some[i])
    end
  end
end

local function record_chunk(us)
  local ms = math.floor(us / 1000)
  local recorded = digits(options.number) .. ',' .. digits(ms)
  if redis.call('HSET', config, submitter, recorded) == 1 then
    drop_old_submitters(ms)
  end
end
