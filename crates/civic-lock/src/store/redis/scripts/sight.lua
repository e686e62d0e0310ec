-- Notes that a replica has a schedule, and reads.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[3]  fingerprint of the schedule
-- ARGV[4]  for how long a schedule must have been silent to be dropped, ms
-- ARGV[5]  how many schedules are kept
-- ARGV[6]  ttl of the watermark, ms
--
-- Reply: 'sighted', first sight, schedules, dropped schedules
--        'unregistered'
local done, schedules = unpack(redis.call('HMGET', KEYS[1], 'done', 'schedules'))
if not done then
  return answer('unregistered')
end
local first, kept, dropped =
  see(sightings_of(schedules), tonumber(done), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
redis.call('HSET', KEYS[1], 'schedules', text_of(kept), 'version', '2')
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return answer('sighted', int(first), text_of(kept), text_of(dropped))
