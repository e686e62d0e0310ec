-- Pauses the job: no tick is claimed until it is resumed.
--
-- KEYS[1]  {lock:<name>}:tick
--
-- Reply: 'paused', since when, ms
--        'unregistered'
local done, paused = unpack(redis.call('HMGET', KEYS[1], 'done', 'paused'))
if not done then
  return answer('unregistered')
end
if not paused then
  paused = now
  redis.call('HSET', KEYS[1], 'paused', paused)
end
return answer('paused', paused)
