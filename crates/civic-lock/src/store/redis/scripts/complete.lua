-- Moves the watermark and releases the key, or leaves it for the rest of its minimum hold.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[3]  tick, ms since the epoch
-- ARGV[4]  rest of the minimum hold, ms; 0 for none
-- ARGV[5]  channel of the hint
-- ARGV[6]  ttl of the watermark if it has to be created, ms
--
-- Reply: 'ours'
--        'not_ours'
local tick = tonumber(ARGV[3])
local done, by = unpack(redis.call('HMGET', KEYS[2], 'done', 'by'))
if by == echo then
  -- The answer to the first call was lost.
  return answer('ours')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('HSET', KEYS[2], 'done', int(math.max(tonumber(done) or 0, tick)), 'by', echo)
redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev')
if redis.call('PTTL', KEYS[2]) < 0 then
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
if tonumber(ARGV[4]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
announce(ARGV[5])
return answer('ours')
