-- Releases the key, leaves the tick claimed, and takes the attempt back: the replica that takes the
-- tick over has the same one.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[3]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
local state = redis.call('HMGET', KEYS[2], 'claimant', 'attempt', 'due_claimant', 'due_attempt')
-- Even if the key has expired meanwhile: no one has claimed since.
if state[1] == echo then
  redis.call('HSET', KEYS[2], 'attempt', int(math.max((tonumber(state[2]) or 1) - 1, 0)))
  redis.call('HDEL', KEYS[2], 'claimant')
end
if state[3] == echo then
  redis.call('HSET', KEYS[2], 'due_attempt', int(math.max((tonumber(state[4]) or 1) - 1, 0)))
  redis.call('HDEL', KEYS[2], 'due_claimant')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('DEL', KEYS[1])
announce(ARGV[3])
return answer('ours')
