-- Releases the key, leaves the tick claimed, and notes that the attempt was handed over: it does
-- not count towards the bound.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
local claimant, due_claimant = unpack(redis.call('HMGET', KEYS[2], 'claimant', 'due_claimant'))
-- Even if the key has expired meanwhile: no one has claimed since.
if claimant == echo then
  redis.call('HINCRBY', KEYS[2], 'handed', 1)
  redis.call('HDEL', KEYS[2], 'claimant')
end
if due_claimant == echo then
  redis.call('HINCRBY', KEYS[2], 'due_handed', 1)
  redis.call('HDEL', KEYS[2], 'due_claimant')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('DEL', KEYS[1])
announce(ARGV[4])
return answer('ours')
