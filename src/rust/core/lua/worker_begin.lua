-- A worker is about to begin open tasks, up to the one named. It waits for the reply before it begins
-- one, so tasks that are open when the worker is lost have not begun.
--
-- This only ever reduces the number of open tasks. So a late copy, even after a later claim of the same
-- task, can at most leave fewer tasks to be handed back.
-- KEYS: workers
-- ARGV: worker id, incarnation, task id
-- Returns: 1, or 0 when the worker no longer holds the task.
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
