-- Sets the watermark, and tells the replicas by a new generation that they must believe it.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[4]  watermark, ms since the epoch
-- ARGV[5]  channel of the hint
--
-- Reply: 'reset', generation, done before
--        'unregistered'
local done, generation, schedules =
  unpack(redis.call('HMGET', KEYS[1], 'done', 'generation', 'schedules'))
if not done then
  return answer('unregistered')
end
local list = sightings_of(schedules)
for _, seen in ipairs(list) do
  -- The ticks after the new watermark are due again.
  seen.first = math.min(seen.first, tonumber(ARGV[4]))
  seen.last = math.min(seen.last, now)
end
local next_generation = (tonumber(generation) or 0) + 1
redis.call('HSET', KEYS[1], 'done', ARGV[4], 'generation', next_generation)
if #list > 0 then
  redis.call('HSET', KEYS[1], 'schedules', text_of(list))
end
redis.call('HDEL', KEYS[1], 'claimed', 'claimant', 'attempt', 'prev', 'handed', 'marks', 'peer')
announce(ARGV[5])
return answer('reset', next_generation, done)
