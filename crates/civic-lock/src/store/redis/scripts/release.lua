-- Deletes the key if it is ours, or leaves it for the rest of its minimum hold.
--
-- KEYS[1]  lock:<name>
-- ARGV[4]  rest of the minimum hold, ms; 0 for none
-- ARGV[5]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
if redis.call('GET', KEYS[1]) ~= echo then
  return echo .. '\n' .. serial .. '\n' .. now_us .. '\nnot_ours'
end
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
  -- A hint only: without permission for the channel the lock still works.
  redis.pcall('PUBLISH', ARGV[5], '')
end
return echo .. '\n' .. serial .. '\n' .. now_us .. '\nours'
