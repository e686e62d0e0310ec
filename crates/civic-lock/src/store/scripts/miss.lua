-- Moves the watermark over ticks that nobody may begin any more: nobody claimed them, or the holder
-- of the last one died and its grace is over.
--
-- The echo is never used again: a call whose answer was lost is repeated with it, and answered as
-- the first one was, so that whoever has moved the watermark gets to know it and reports the ticks.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[3]  the watermark as it was seen
-- ARGV[4]  where it goes
--
-- Reply: 'marked'
--        'changed', done
local done, claimed, by, gave_up = unpack(redis.call('HMGET', KEYS[2], 'done', 'claimed', 'by', 'gave_up'))
if gave_up == echo then
  return answer('marked')
end
local from, to = tonumber(done), tonumber(ARGV[4])
if from ~= tonumber(ARGV[3]) or to <= from then
  return answer('changed', done or '')
end
claimed = tonumber(claimed) or 0
if claimed > from then
  local held = redis.call('GET', KEYS[1])
  -- Somebody runs it, or may still take it over.
  if claimed ~= to or (held and held ~= by) then
    return answer('changed', done)
  end
  redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev')
end
redis.call('HSET', KEYS[2], 'done', int(to), 'gave_up', echo)
return answer('marked')
