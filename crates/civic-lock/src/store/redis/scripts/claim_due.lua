-- Takes the key for the run that an operator has asked for.
--
-- KEYS[1]  lock:<name>            the holder
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- KEYS[3]  {lock:<name>}:tick     due           the instant of the run that was asked for
--                                 due_attempt   how often it was claimed
--                                 due_claimant  the holder that has claimed it
--                                 due_handed    how often it was handed over
-- ARGV[4]  ttl of the holder, ms
-- ARGV[5]  ttl of the fence and the hash, ms
-- ARGV[6]  values that no lease uses, separated by spaces: a key that holds one counts as ours
-- ARGV[7]  how often it may be claimed, hand-overs not counted; 0 for no bound
--
-- Reply: 'granted', tick, fence, attempt, done, how often it was handed over
--        'running', holder, ttl in ms, tick
--        'exhausted', tick, done: it was claimed too often, and is not asked for any more
--        'not_due', done
--        'unregistered'
local held = redis.call('GET', KEYS[1])
local state = redis.call('HMGET', KEYS[3], 'done', 'due', 'due_attempt', 'due_claimant', 'by',
  'claimed', 'due_handed')
local done, due, attempt = tonumber(state[1]), tonumber(state[2]), tonumber(state[3]) or 0
local claimant, by, handed = state[4], state[5], tonumber(state[7]) or 0
local orphans = values_of(ARGV[6])
if not done then
  return answer('unregistered')
end
if not due then
  return answer('not_due', done)
end
local mine = held and held == claimant and (held == echo or orphans[held])
if mine and held == echo then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  local fence = redis.call('GET', KEYS[2]) or bump(KEYS[2], ARGV[5])
  return answer('granted', due, fence, attempt, done, handed)
end
if held and held ~= echo and held ~= by and not orphans[held] then
  local claimed = tonumber(state[6])
  if held == claimant then
    claimed = due
  end
  return answer('running', held, ttl_of(KEYS[1]), claimed or '')
end
if not mine then
  local most = tonumber(ARGV[7])
  if most > 0 and attempt - handed >= most then
    redis.call('HDEL', KEYS[3], 'due', 'due_attempt', 'due_claimant', 'due_handed')
    return answer('exhausted', due, done)
  end
  attempt = attempt + 1
end
local fence = bump(KEYS[2], ARGV[5])
redis.call('HSET', KEYS[3], 'due_attempt', attempt, 'due_claimant', echo)
redis.call('PEXPIRE', KEYS[3], ARGV[5])
-- The key comes last: a write that is refused in between leaves no lock behind.
redis.call('SET', KEYS[1], echo, 'PX', ARGV[4])
return answer('granted', due, fence, attempt, done, handed)
