-- Deletes the key if it is ours, and announces it.
local function let_go(key, channel)
  if redis.call('GET', key) == echo then
    redis.call('DEL', key)
    announce(channel)
  end
end
