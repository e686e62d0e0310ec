-- Releases the key and leaves the tick claimed.
--
-- KEYS[1]  lock:<name>
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('DEL', KEYS[1])
announce(ARGV[4])
return answer('ours')
