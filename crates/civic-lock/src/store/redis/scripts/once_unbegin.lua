-- Takes back a beginning whose work never began.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[4]  channel of the hint
--
-- Reply: 'ours'
--        'not_ours'
local execution = execution_of(KEYS[2])
local outcome = 'not_ours'
-- Even if the key has expired meanwhile: no one has begun since.
if execution and execution.phase == 'begun' and execution.holder == echo then
  local before = unbegun(execution)
  if before then
    redis.call('HSET', KEYS[2], 'phase', before.phase, 'attempt', before.attempt)
  else
    redis.call('DEL', KEYS[2])
  end
  outcome = 'ours'
end
let_go(KEYS[1], ARGV[4])
return answer(outcome)
