-- Moves the watermark and releases the key, or leaves it for the rest of its minimum hold.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- KEYS[3]  {lock:<name>}:runs, if something is remembered of the run
-- ARGV[4]  tick, ms since the epoch
-- ARGV[5]  rest of the minimum hold, ms; 0 for none
-- ARGV[6]  channel of the hint
-- ARGV[7]  ttl of the watermark if it has to be created, ms
-- ARGV[8]  generation that the tick was claimed in; '' or absent if it does not matter
-- ARGV[9]  what is remembered of the run; '' or absent for nothing
-- ARGV[10] how many runs are remembered
--
-- Reply: 'ours'
--        'not_ours'
local tick = tonumber(ARGV[4])
local done, by, generation = unpack(redis.call('HMGET', KEYS[2], 'done', 'by', 'generation'))
if by == echo then
  -- The answer to the first call was lost.
  return answer('ours')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('HSET', KEYS[2], 'by', echo)
local claimed_in = tonumber(ARGV[8])
if not claimed_in or claimed_in == (tonumber(generation) or 0) then
  -- Otherwise an operator has set the watermark meanwhile.
  redis.call('HSET', KEYS[2], 'done', math.max(tonumber(done) or 0, tick))
  redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev', 'handed')
end
if redis.call('PTTL', KEYS[2]) < 0 then
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
end
if remember(KEYS[3], ARGV[9], ARGV[10]) then
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
end
if tonumber(ARGV[5]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
else
  redis.call('DEL', KEYS[1])
end
announce(ARGV[6])
return answer('ours')
