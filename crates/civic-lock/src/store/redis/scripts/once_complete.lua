-- Records that an execution is finished, and releases the key, whatever the answer.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:once
-- ARGV[4]  result, in base64
-- ARGV[5]  channel of the hint
-- ARGV[6]  author
--
-- Reply: 'recorded', completed, until
--        'not_ours'
local execution = execution_of(KEYS[2])
local ours = execution and execution.holder == echo
local outcome = {'not_ours'}
if ours and execution.phase == 'begun' then
  local until_ms = now + execution.retain
  -- Before the result: a server that refuses it has recorded nothing.
  redis.call('PEXPIREAT', KEYS[2], until_ms)
  redis.call('HSET', KEYS[2], 'phase', 'done', 'completed', now, 'until', until_ms,
    'result', ARGV[4], 'author', ARGV[6])
  outcome = {'recorded', now, until_ms}
elseif ours and execution.phase == 'done' and execution.author ~= 'operator' then
  local until_ms = execution['until']
  -- The answer to the first call was lost. Written again, so that the replicas are waited for:
  -- there are servers whose WAIT waits only for what its own connection has written.
  redis.call('PEXPIREAT', KEYS[2], until_ms)
  outcome = {'recorded', execution.completed, until_ms}
end
let_go(KEYS[1], ARGV[5])
return answer(unpack(outcome))
