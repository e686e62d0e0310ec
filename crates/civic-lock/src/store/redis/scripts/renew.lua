-- Extends the key if it is ours. Never sets it: that would bring a lost lock back.
--
-- KEYS[1]  lock:<name>
-- ARGV[4]  ttl, ms
--
-- Reply: 'ours'
--        'not_ours'
if redis.call('GET', KEYS[1]) ~= echo then
  return echo .. '\n' .. serial .. '\n' .. now_us .. '\nnot_ours'
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return echo .. '\n' .. serial .. '\n' .. now_us .. '\nours'
