-- Asks for a run beside the schedule. One replica will claim it.
--
-- KEYS[1]  {lock:<name>}:tick
-- ARGV[4]  its instant, ms since the epoch; 0 for now
-- ARGV[5]  channel of the hint
--
-- Reply: 'due', instant
--        'already_due', instant
--        'unregistered'
local done, due = unpack(redis.call('HMGET', KEYS[1], 'done', 'due'))
if not done then
  return answer('unregistered')
end
if due then
  return answer('already_due', due)
end
local instant = tonumber(ARGV[4])
if instant == 0 then
  instant = now
end
redis.call('HSET', KEYS[1], 'due', instant, 'due_attempt', '0')
announce(ARGV[5])
return answer('due', instant)
