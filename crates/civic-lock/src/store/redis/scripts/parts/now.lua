-- Milliseconds of this server's clock.
local now = math.floor(now_us / 1000)
