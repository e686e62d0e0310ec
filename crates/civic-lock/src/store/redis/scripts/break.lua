-- Deletes the key of a holder that was seen. The fence goes on, so that a resource that checks it
-- refuses what the holder still sends.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:fence
-- ARGV[4]  the holder that was seen
-- ARGV[5]  ttl of the fence, ms
-- ARGV[6]  channel of the hint
--
-- Reply: 'broken', fence
--        'changed', holder; '' if there is none
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[4] then
  return answer('changed', held or '')
end
local left = redis.call('PTTL', KEYS[2])
local fence = bump(KEYS[2], math.max(left, tonumber(ARGV[5])))
redis.call('DEL', KEYS[1])
announce(ARGV[6])
return answer('broken', fence)
