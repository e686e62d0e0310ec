-- Sets the watermark if there is none.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[4]  watermark, ms since the epoch
-- ARGV[5]  ttl of the watermark, ms
-- ARGV[6]  fingerprint of the schedule; '' or absent for none
-- ARGV[7]  its first sight, as the caller remembers it, ms since the epoch
--
-- Reply: 'registered', done
if redis.call('HSETNX', KEYS[1], 'done', ARGV[4]) == 1 then
  if ARGV[6] and ARGV[6] ~= '' then
    local first = math.max(tonumber(ARGV[4]), tonumber(ARGV[7]))
    local seen = int(first) .. ' ' .. int(now) .. ' ' .. ARGV[6]
    redis.call('HSET', KEYS[1], 'schedules', seen, 'version', '2')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return answer('registered', redis.call('HGET', KEYS[1], 'done'))
