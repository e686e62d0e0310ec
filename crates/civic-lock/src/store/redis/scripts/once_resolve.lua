-- Ends an execution whose holder is gone, if it is the attempt that was seen.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[4]  the holder that was seen
-- ARGV[5]  the attempt that was seen
-- ARGV[6]  'done', or 'free' to let it be begun again
--
-- Reply: 'resolved'
--        'running', ttl in ms
--        'changed', the fields of the record
--        'unknown'
local execution = execution_of(KEYS[2])
if not execution then
  return answer('unknown')
end
if execution.phase ~= 'begun' or execution.holder ~= ARGV[4]
  or execution.attempt ~= tonumber(ARGV[5]) then
  return answer('changed', fields_of(execution))
end
if redis.call('GET', KEYS[1]) == ARGV[4] then
  return answer('running', ttl_of(KEYS[1]))
end
if ARGV[6] == 'free' then
  redis.call('HSET', KEYS[2], 'phase', 'free')
else
  local until_ms = now + execution.retain
  redis.call('PEXPIREAT', KEYS[2], until_ms)
  redis.call('HSET', KEYS[2], 'phase', 'done', 'completed', now, 'until', until_ms,
    'author', 'operator')
end
return answer('resolved')
