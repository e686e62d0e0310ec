-- Takes the key, idempotently.
--
-- KEYS[1]  lock:<name>            the holder
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- ARGV[4]  ttl of the holder, ms
-- ARGV[5]  ttl of the fence, ms
-- ARGV[6]  and those after it: values that no lease uses, a key that holds one counts as absent
--
-- Reply: 'granted', fence
--        'busy', holder, ttl in ms
local held, last = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
local fence = now_us
if held == echo and last then
  -- No one has bumped it since: only a new holder does.
  fence = last
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  local busy = held and held ~= echo
  for i = 6, #ARGV do
    busy = busy and held ~= ARGV[i]
  end
  if busy then
    local left = redis.call('PTTL', KEYS[1])
    return {echo, serial, now_us, 'busy', held, left < 0 and '' or left}
  end
  -- Never below the clock, so that it grows even after the key was lost.
  if last and tonumber(last) >= tonumber(now_us) then
    fence = string.format('%.0f', last + 1)
  end
  redis.call('SET', KEYS[2], fence, 'PX', ARGV[5])
  -- The key comes last: a write that is refused in between leaves no lock behind.
  redis.call('SET', KEYS[1], echo, 'PX', ARGV[4])
end
return echo .. '\n' .. serial .. '\n' .. now_us .. '\ngranted\n' .. fence
