-- Takes the key, idempotently.
--
-- KEYS[1]  lock:<name>            the holder
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- ARGV[3]  ttl of the holder, ms
-- ARGV[4]  ttl of the fence, ms
-- ARGV[5]  values that no lease uses, separated by spaces: a key that holds one counts as absent
--
-- Reply: 'granted', fence
--        'busy', holder, ttl in ms
local held = redis.call('GET', KEYS[1])
if held == echo then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  -- No one has bumped it since: only a new holder does.
  return answer('granted', redis.call('GET', KEYS[2]) or bump(KEYS[2], ARGV[4]))
end
if held and not values_of(ARGV[5])[held] then
  return answer('busy', held, ttl_of(KEYS[1]))
end
-- The key comes last: a write that is refused in between leaves no lock behind.
local fence = bump(KEYS[2], ARGV[4])
redis.call('SET', KEYS[1], echo, 'PX', ARGV[3])
return answer('granted', fence)
