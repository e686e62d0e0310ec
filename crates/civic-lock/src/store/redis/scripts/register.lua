-- Sets the watermark if there is none.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[3]  watermark, ms since the epoch
-- ARGV[4]  ttl of the watermark, ms
--
-- Reply: 'registered', done
if redis.call('HSETNX', KEYS[1], 'done', ARGV[3]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return answer('registered', redis.call('HGET', KEYS[1], 'done'))
