-- Takes the key for a tick, or for an earlier one that was claimed and not done.
--
-- KEYS[1]  lock:<name>            the holder
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- KEYS[3]  {lock:<name>}:tick     done      the watermark: this tick and all before it are done
--                                 claimed   the tick that runs, or whose holder died
--                                 claimant  the holder that has claimed it
--                                 attempt   how often it was claimed
--                                 prev      the watermark before an at-most-once claim
--                                 by        the holder that has completed the last one
--                                 marks     who has moved it over missed ticks, see miss.lua
-- ARGV[3]  ttl of the holder, ms
-- ARGV[4]  tick, ms since the epoch
-- ARGV[5]  grace, ms
-- ARGV[6]  how far a tick may lie in the future, ms
-- ARGV[7]  'at_least_once' or 'at_most_once'
-- ARGV[8]  ttl of fence and watermark, ms
-- ARGV[9…] values that no lease uses: a key that holds one counts as ours
--
-- Reply: 'granted', tick, fence, attempt, done before
--        'already_done', done
--        'running', holder, ttl in ms, tick
--        'clock_ahead'
--        'too_late', tick, done: nothing has changed; miss.lua gives it up
--        'unregistered'
local held = redis.call('GET', KEYS[1])
local state = redis.call('HMGET', KEYS[3], 'done', 'claimed', 'claimant', 'attempt', 'prev', 'by')
local done = tonumber(state[1])
local claimed, claimant = tonumber(state[2]), state[3]
local attempt, prev, by = tonumber(state[4]) or 0, tonumber(state[5]), state[6]
local tick, grace = tonumber(ARGV[4]), tonumber(ARGV[5])
local at_most_once = ARGV[7] == 'at_most_once'
local orphans = arguments_from(9)

if not done then
  return answer('unregistered')
end

local function grant(which, nth)
  local fence = bump(KEYS[2], ARGV[8])
  redis.call('HSET', KEYS[3], 'claimed', int(which), 'claimant', echo, 'attempt', int(nth))
  if at_most_once and which > done then
    redis.call('HSET', KEYS[3], 'prev', int(done), 'done', int(which))
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
  -- The key comes last: a write that is refused in between leaves no lock behind.
  redis.call('SET', KEYS[1], echo, 'PX', ARGV[3])
  return answer('granted', int(which), fence, int(nth), int(done))
end

-- Ours already: the answer to an earlier call was lost, and its work has not begun. Asked before
-- anything about `done`, which an at-most-once claim has moved.
if held and claimed and held == claimant and (held == echo or orphans[held]) then
  if prev and claimed == done then
    done = prev
  end
  if held == echo then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    local fence = redis.call('GET', KEYS[2]) or bump(KEYS[2], ARGV[8])
    return answer('granted', int(claimed), fence, int(attempt), int(done))
  end
  return grant(claimed, attempt)
end

-- On minimum hold the key keeps out those who know no watermark; to us it is free.
local free = not held or held == echo or held == by or orphans[held]

local function running()
  return answer('running', held, ttl_of(KEYS[1]), claimed and int(claimed) or '')
end

if claimed and claimed > done then
  if not free then
    return running()
  end
  -- Its holder died or gave it up.
  if at_most_once or now - claimed > grace then
    return answer('too_late', int(claimed), int(done))
  end
  return grant(claimed, attempt + 1)
end
if tick <= done then
  return answer('already_done', int(done))
end
if tick > now + tonumber(ARGV[6]) then
  return answer('clock_ahead')
end
if now - tick > grace then
  return answer('too_late', int(tick), int(done))
end
if not free then
  return running()
end
return grant(tick, 1)
