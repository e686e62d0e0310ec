-- Lets an execution be begun again, since nothing was done, and releases the key.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
local execution = execution_of(KEYS[2])
local outcome = 'not_ours'
if execution and execution.holder == echo and execution.phase ~= 'done' then
  redis.call('HSET', KEYS[2], 'phase', 'free')
  outcome = 'ours'
end
let_go(KEYS[1], ARGV[4])
return answer(outcome)
