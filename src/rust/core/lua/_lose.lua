-- Part of the scripts that declare workers lost: it is LOST, and what it held ends or is tried again.
-- Returns what became of each task, '<letter><id>'.
local function lose_worker(id, record)
  local lines = {}
  local settled = end_held(keys, id, record, us, events, lines)
  log_line(lines, us, 'LOST', '')
  write_log(prefix .. 'w:' .. id .. ':log', lines)
  record[W_STATE] = 'LOST'
  write_worker(workers, id, record)
  redis.call('DEL', prefix .. 'w:' .. id .. ':m', prefix .. 'w:' .. id .. ':k',
             prefix .. 'w:' .. id .. ':hb', prefix .. 'w:' .. id .. ':ctl')
  return settled
end
