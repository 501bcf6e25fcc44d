-- Part of scripts that create a queue. Nothing that is stored can show that such a request is a copy, so it
-- is taken for a short time only; the caller asks for the time again if that has passed.
local FRESH_MS = 10000

local function is_fresh(sent_ms)
  return now_us() / 1000 - sent_ms < FRESH_MS
end
