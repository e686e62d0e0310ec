-- Reads.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- KEYS[3]  {lock:<name>}:fence, if it is asked for
--
-- Reply: 'peek', settled watermark, claimed, attempt, holder, claimant, ttl in ms, fence,
--        generation, paused, due, attempt of due, peer, schedules
local tick = redis.call('HMGET', KEYS[2], 'done', 'claimed', 'attempt', 'claimant', 'generation',
  'paused', 'due', 'due_attempt', 'peer', 'schedules', 'prev')
local held = redis.call('GET', KEYS[1])
local done = settled(tick[1], tick[2], tick[4], tick[11], held)
return answer('peek', done or '', tick[2] or '', tick[3] or '0', held or '', tick[4] or '',
  held and ttl_of(KEYS[1]) or '', KEYS[3] and redis.call('GET', KEYS[3]) or '0', tick[5] or '0',
  tick[6] or '', tick[7] or '', tick[8] or '0', tick[9] or '', tick[10] or '')
