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
local kept = redis.call('MGET', KEYS[1], KEYS[2])
local held, last = kept[1], kept[2]
if held == echo and last then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  -- No one has bumped it since: only a new holder does.
  return {echo, serial, now_us, 'granted', last}
end
local busy = held and held ~= echo
for i = 6, #ARGV do
  busy = busy and held ~= ARGV[i]
end
if busy then
  local left = redis.call('PTTL', KEYS[1])
  return {echo, serial, now_us, 'busy', held, left < 0 and '' or left}
end
-- Never below the clock, so that it grows even after the key was lost.
local fence = math.max((tonumber(last) or 0) + 1, now_us)
-- MGET sees texts only: where it has seen none, a key is set only if there is none of another kind.
-- The key of the holder comes last: a write that is refused in between leaves no lock behind.
if redis.call('SET', KEYS[2], fence, 'PX', ARGV[5], last and 'XX' or 'NX') then
  if redis.call('SET', KEYS[1], echo, 'PX', ARGV[4], held and 'XX' or 'NX') then
    return {echo, serial, now_us, 'granted', fence}
  end
  if not last then
    redis.call('DEL', KEYS[2])
  end
end
-- The error of the server says which of the two it is.
return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}
