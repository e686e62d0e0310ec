-- Records the run that an operator has asked for. The watermark stays.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- KEYS[3]  {lock:<name>}:runs
-- ARGV[4]  rest of the minimum hold, ms; 0 for none
-- ARGV[5]  channel of the hint
-- ARGV[6]  what is remembered of the run; '' for nothing
-- ARGV[7]  how many runs are remembered
-- ARGV[8]  ttl of what is remembered, ms
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
if remember(KEYS[3], ARGV[6], ARGV[7]) then
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
announce(ARGV[5])
return answer('ours')
