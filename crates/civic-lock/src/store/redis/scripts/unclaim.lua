-- Takes back a claim whose work never began.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
local claimant, attempt, prev, done, claimed =
  unpack(redis.call('HMGET', KEYS[2], 'claimant', 'attempt', 'prev', 'done', 'claimed'))
-- Even if the key has expired meanwhile: no one has claimed since.
if claimant == echo then
  if prev and done == claimed then
    redis.call('HSET', KEYS[2], 'done', prev)
  end
  if (tonumber(attempt) or 1) > 1 then
    -- An earlier holder had begun: the tick stays claimed.
    redis.call('HSET', KEYS[2], 'attempt', tonumber(attempt) - 1)
    redis.call('HDEL', KEYS[2], 'claimant', 'prev')
  else
    redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev', 'handed')
  end
end
local due_claimant, due_attempt =
  unpack(redis.call('HMGET', KEYS[2], 'due_claimant', 'due_attempt'))
if due_claimant == echo then
  redis.call('HSET', KEYS[2], 'due_attempt', math.max((tonumber(due_attempt) or 1) - 1, 0))
  redis.call('HDEL', KEYS[2], 'due_claimant')
end
if redis.call('GET', KEYS[1]) ~= echo then
  return answer('not_ours')
end
redis.call('DEL', KEYS[1])
announce(ARGV[4])
return answer('ours')
