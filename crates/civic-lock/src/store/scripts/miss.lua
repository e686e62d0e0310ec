-- Moves the watermark over ticks that nobody claimed.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[3]  the watermark as it was seen
-- ARGV[4]  where it goes
--
-- Reply: 'marked'
--        'changed', done
local done, claimed = unpack(redis.call('HMGET', KEYS[1], 'done', 'claimed'))
local from = tonumber(done)
if from ~= tonumber(ARGV[3]) or (tonumber(claimed) or 0) > from or tonumber(ARGV[4]) <= from then
  return answer('changed', done or '')
end
redis.call('HSET', KEYS[1], 'done', ARGV[4])
return answer('marked')
