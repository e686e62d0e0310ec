-- Records the run that an operator has asked for. The watermark stays.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- KEYS[3]  {lock:<name>}:runs
-- ARGV[3]  rest of the minimum hold, ms; 0 for none
-- ARGV[4]  channel of the hint
-- ARGV[5]  what is remembered of the run; '' for nothing
-- ARGV[6]  how many runs are remembered
-- ARGV[7]  ttl of what is remembered, ms
--
-- Reply: 'ours'
--        'not_ours'
local by, claimant = unpack(redis.call('HMGET', KEYS[2], 'by', 'due_claimant'))
if by == echo then
  -- The answer to the first call was lost.
  return answer('ours')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('HSET', KEYS[2], 'by', echo)
if claimant == echo then
  redis.call('HDEL', KEYS[2], 'due', 'due_attempt', 'due_claimant', 'due_handed')
end
if remember(KEYS[3], ARGV[5], ARGV[6]) then
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
end
if tonumber(ARGV[3]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
announce(ARGV[4])
return answer('ours')
