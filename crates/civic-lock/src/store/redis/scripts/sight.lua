-- Notes that a replica has a schedule, and reads.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[4]  fingerprint of the schedule
-- ARGV[5]  for how long a schedule must have been silent to be dropped, ms
-- ARGV[6]  how many schedules are kept
-- ARGV[7]  ttl of the watermark, ms
--
-- Reply: 'sighted', first sight, schedules, dropped schedules
--        'unregistered'
local done, schedules = unpack(redis.call('HMGET', KEYS[1], 'done', 'schedules'))
if not done then
  return answer('unregistered')
end
local first, kept, dropped =
  see(sightings_of(schedules), tonumber(done), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
redis.call('HSET', KEYS[1], 'schedules', text_of(kept), 'version', '2')
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[7]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
end
return answer('sighted', first, text_of(kept), text_of(dropped))
