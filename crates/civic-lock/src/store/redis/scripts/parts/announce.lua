-- A hint only: without permission for the channel the lock still works.
local function announce(channel)
  redis.pcall('PUBLISH', channel, '')
end
