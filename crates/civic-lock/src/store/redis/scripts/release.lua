-- Deletes the key if it is ours, or leaves it for the rest of its minimum hold.
--
-- KEYS[1]  lock:<name>
-- ARGV[3]  rest of the minimum hold, ms; 0 for none
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
if tonumber(ARGV[3]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return answer('ours')
end
redis.call('DEL', KEYS[1])
announce(ARGV[4])
return answer('ours')
