-- Sets the watermark if there is none.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[3]  watermark, ms since the epoch
-- ARGV[4]  ttl of the watermark, ms
-- ARGV[5]  fingerprint of the schedule; '' or absent for none
-- ARGV[6]  its first sight, as the caller remembers it, ms since the epoch
--
-- Reply: 'registered', done
if redis.call('HSETNX', KEYS[1], 'done', ARGV[3]) == 1 then
  if ARGV[5] and ARGV[5] ~= '' then
    local first = math.max(tonumber(ARGV[3]), tonumber(ARGV[6]))
    local seen = int(first) .. ' ' .. int(now) .. ' ' .. ARGV[5]
    redis.call('HSET', KEYS[1], 'schedules', seen, 'version', '2')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return answer('registered', redis.call('HGET', KEYS[1], 'done'))
