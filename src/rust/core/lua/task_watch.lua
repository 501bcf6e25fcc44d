-- Register a waiter for the end of tasks. Tasks that this waiter submitted already carry its number.
-- KEYS: tasks, the waiter's events, config
-- ARGV: waiter number, stream lifetime in ms, ids
-- Returns: one text with the status of each, '-' when there is no such task; false when the
--          queue no longer exists.
local tasks, stream, config = unpack(KEYS)
local waiter, lifetime = ARGV[1], ARGV[2]

-- include: _watch.lua
return watch_tasks(waiter, lifetime, { unpack(ARGV, 3) }) or false
