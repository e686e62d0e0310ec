-- Records that an execution is finished, and releases the key.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[3]  result, in base64
-- ARGV[4]  channel of the hint
-- ARGV[5]  author
--
-- Reply: 'recorded', completed, until
--        'not_ours'
local execution = execution_of(KEYS[2])
if not execution or execution.holder ~= echo then
  return answer('not_ours')
end
if execution.phase == 'done' and execution.author ~= 'operator' then
  -- The answer to the first call was lost.
  return answer('recorded', execution.completed, int(execution['until']))
end
if execution.phase ~= 'begun' then
  return answer('not_ours')
end
local until_ms = int(now + execution.retain)
redis.call('HSET', KEYS[2], 'phase', 'done', 'completed', int(now), 'until', until_ms,
  'result', ARGV[3], 'author', ARGV[5])
redis.call('PEXPIREAT', KEYS[2], until_ms)
let_go(KEYS[1], ARGV[4])
return answer('recorded', int(now), until_ms)
