-- Reads.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
--
-- Reply: 'peek', done, claimed, attempt, holder
local tick = redis.call('HMGET', KEYS[2], 'done', 'claimed', 'attempt')
return answer('peek', tick[1] or '', tick[2] or '', tick[3] or '0', redis.call('GET', KEYS[1]) or '')
