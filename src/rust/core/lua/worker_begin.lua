-- A worker is about to begin tasks it had kept open, up to the one named. It waits for the reply before
-- it begins one: so whatever is open when the worker is lost has not begun.
--
-- It only ever makes the number of open tasks smaller. So a late copy, also one that meets a later claim
-- of the same task, can at most leave fewer tasks to be handed back.
-- KEYS: workers
-- ARGV: worker id, incarnation, task id
-- Returns: 1, or 0 when the worker does not hold the task any more.
local workers = KEYS[1]
local id, incarnation, task = ARGV[1], tonumber(ARGV[2]), ARGV[3]

-- include: _record.lua
local record = registered(id, incarnation)
local n_behind = record and n_held_behind(record, task)
if not n_behind then
  return 0
end
if n_behind < record.n_open then
  record.n_open = n_behind
  write_worker(id, record)
end
return 1
