-- Reads the record of an execution.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[4]  'state', or 'result' to read the result too
--
-- Reply: 'execution', holder of the key, ttl in ms, the fields of the record
--        'none', holder of the key, ttl in ms
local held = redis.call('GET', KEYS[1])
local left = held and ttl_of(KEYS[1]) or ''
local execution = execution_of(KEYS[2])
if not execution then
  return answer('none', held or '', left)
end
local result = ARGV[4] == 'result' and redis.call('HGET', KEYS[2], 'result')
return answer('execution', held or '', left, fields_of(execution, result))
