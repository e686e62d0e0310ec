-- Takes the key for a tick, or for an earlier one that was claimed and not done.
--
-- KEYS[1]  lock:<name>            the holder
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- KEYS[3]  {lock:<name>}:tick     done      the watermark: this tick and all before it are done
--                                 claimed   the tick that runs, or whose holder died
--                                 claimant  the holder that has claimed it
--                                 attempt   how often it was claimed
--                                 handed    how often it was handed over
--                                 prev      the watermark before an at-most-once claim
--                                 by        the holder that has completed the last one
--                                 marks     who has moved it over missed ticks, see miss.lua
--                                 version   2 since schedules are kept
--                                 schedules the schedules it was seen with, see sightings.lua
--                                 generation  how often an operator has set the watermark
--                                 paused    since when no tick is claimed, ms
--                                 peer      a foreign holder: '<first sight> <its expiry, 0 for
--                                           none> <tick> <holder>'
--                                 due, due_attempt, due_claimant, due_handed  see claim_due.lua
-- ARGV[4]  ttl of the holder, ms
-- ARGV[5]  tick, ms since the epoch
-- ARGV[6]  grace, ms
-- ARGV[7]  how far a tick may lie in the future, ms
-- ARGV[8]  'at_least_once' or 'at_most_once'
-- ARGV[9]  ttl of fence and watermark, ms
-- ARGV[10] values that no lease uses, separated by spaces: a key that holds one counts as ours
-- ARGV[11] JSON, absent for none of it:
--          clock, differ  the caller's clock, ms, and by how much it may differ from this server's
--          generation  the one that the caller knows
--          schedule    fingerprint of its schedule, see sight.lua
--          attempts    how often a tick may be claimed, hand-overs not counted
--          peers       'count': a tick that a peer holds the key for counts as run;
--                      'count_released': it counts when the peer has released the key
--          peer_from, peer_before  when the peer must have come for this tick, ms since the epoch
--          foreign     true if any value that is not of this form may be a peer's
--
-- Reply: 'granted', tick, fence, attempt, done before, how often it was handed over
--        'already_done', settled watermark
--        'ran_by_peer', holder, ttl in ms if it still has the key, tick
--        'unscheduled', first sight of the schedule: the tick is not after it; now if it is unknown
--        'paused', since when, ms
--        'reset', generation, done: an operator has set the watermark
--        'exhausted', tick, done: it was claimed too often; miss.lua gives it up
--        'running', holder, ttl in ms, tick
--        'clock_ahead'
--        'clock_suspect'
--        'too_late', tick, done: nothing has changed; miss.lua gives it up
--        'unregistered'
local held = redis.call('GET', KEYS[1])
local state = redis.call('HMGET', KEYS[3], 'done', 'claimed', 'claimant', 'attempt', 'prev', 'by',
  'generation', 'paused', 'schedules', 'peer', 'handed')
local done = tonumber(state[1])
local claimed, claimant = tonumber(state[2]), state[3]
local attempt, prev, by = tonumber(state[4]) or 0, tonumber(state[5]), state[6]
local handed = tonumber(state[11]) or 0
local tick, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local at_most_once = ARGV[8] == 'at_most_once'
local orphans = values_of(ARGV[10])
local sightings = sightings_of(state[9])
local terms = ARGV[11] and cjson.decode(ARGV[11]) or {}

if terms.clock and math.abs(now - terms.clock) > terms.differ then
  return answer('clock_suspect')
end
if not done then
  return answer('unregistered')
end
local generation = tonumber(state[7]) or 0
if terms.generation and terms.generation ~= generation then
  return answer('reset', generation, done)
end

local function grant(which, nth)
  local fence = bump(KEYS[2], ARGV[9])
  redis.call('HSET', KEYS[3], 'claimed', which, 'claimant', echo, 'attempt', nth)
  if nth == 1 then
    handed = 0
    redis.call('HDEL', KEYS[3], 'handed')
  end
  if at_most_once and which > done then
    redis.call('HSET', KEYS[3], 'prev', done, 'done', which)
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
  -- The key comes last: a write that is refused in between leaves no lock behind.
  redis.call('SET', KEYS[1], echo, 'PX', ARGV[4])
  return answer('granted', which, fence, nth, done, handed)
end

-- Ours already: the answer to an earlier call was lost, and its work has not begun. Asked before
-- anything about `done`, which an at-most-once claim has moved.
if held and claimed and held == claimant and (held == echo or orphans[held]) then
  if prev and claimed == done then
    done = prev
  end
  if held == echo then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    local fence = redis.call('GET', KEYS[2]) or bump(KEYS[2], ARGV[9])
    return answer('granted', claimed, fence, attempt, done, handed)
  end
  return grant(claimed, attempt)
end

if state[8] then
  return answer('paused', state[8])
end

-- A replica with this schedule has come for one of its ticks, whatever becomes of it: the others
-- learn from it that the schedule is in use.
local first_sight = now
for _, seen in ipairs(terms.schedule and sightings or {}) do
  if seen.name == terms.schedule then
    first_sight, seen.last = seen.first, math.max(seen.last, now)
    -- A hint only: a server that refuses writes still answers.
    redis.pcall('HSET', KEYS[3], 'schedules', text_of(sightings))
  end
end

-- On minimum hold the key keeps out those who know no watermark; to us it is free.
local free = not held or held == echo or held == by or orphans[held]

local function running()
  return answer('running', held, ttl_of(KEYS[1]), claimed or '')
end

if claimed and claimed > done then
  if not free then
    return running()
  end
  -- Its holder died or gave it up.
  if at_most_once or now - claimed > grace then
    return answer('too_late', claimed, done)
  end
  if terms.attempts and attempt - handed >= terms.attempts then
    return answer('exhausted', claimed, done)
  end
  return grant(claimed, attempt + 1)
end
if tick <= done then
  -- An at-most-once tick is done when it is claimed, and runs while its holder has the key. Its
  -- claim may be taken back.
  local sure = settled(done, claimed, claimant, prev, not free and held)
  if tick > sure then
    return running()
  end
  return answer('already_done', sure)
end
if terms.schedule and tick <= first_sight then
  return answer('unscheduled', first_sight)
end
if tick > now + tonumber(ARGV[7]) then
  return answer('clock_ahead')
end
if terms.peers then
  local seen, expires, seen_tick, peer = string.match(state[10] or '', '^(%d+) (%d+) (%d+) (.*)$')
  local function counts(holder, first)
    local from = tonumber(string.match(holder, '^%d+:(%d+)$')) or (terms.foreign and first)
    return from and from >= terms.peer_from and from < terms.peer_before
  end
  local function ran(holder, left)
    redis.call('HSET', KEYS[3], 'done', tick)
    return answer('ran_by_peer', holder, left, tick)
  end
  local uuid = string.match(held or '', '.:%d+:(%x+):%d+$')
  if held and not free and not (uuid and #uuid == 32) then
    local first = peer == held and tonumber(seen) or now
    local left = ttl_of(KEYS[1])
    local ends = left == '' and '0' or int(now + tonumber(left))
    local seen_now = table.concat({int(first), ends, int(tick), held}, ' ')
    redis.call('HSET', KEYS[3], 'peer', seen_now)
    if terms.peers == 'count' and counts(held, first) then
      return ran(held, left)
    end
  elseif peer and not held and tonumber(seen_tick) == tick and counts(peer, tonumber(seen)) then
    -- It has released the key if it is gone before its time.
    if expires == '0' or now < tonumber(expires) then
      return ran(peer, '')
    end
  end
end
if now - tick > grace then
  return answer('too_late', tick, done)
end
if not free then
  return running()
end
return grant(tick, 1)
