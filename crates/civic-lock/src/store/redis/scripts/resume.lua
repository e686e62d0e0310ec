-- Resumes a paused job.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[4]  channel of the hint
--
-- Reply: 'resumed', since when it was paused, ms; '' if it was not
--        'unregistered'
local done, paused = unpack(redis.call('HMGET', KEYS[1], 'done', 'paused'))
if not done then
  return answer('unregistered')
end
if paused then
  redis.call('HDEL', KEYS[1], 'paused')
  announce(ARGV[4])
end
return answer('resumed', paused or '')
