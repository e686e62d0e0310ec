-- Begins an execution, or tells what has become of it.
--
-- KEYS[1]  lock:<name>            the holder, for as long as it runs
-- KEYS[2]  {lock:<name>}:fence    the last fence
-- KEYS[3]  {lock:<name>}:once     version      1
--                                 phase        begun, done, or free: it may be begun again
--                                 holder       the holder that has begun it last
--                                 attempt      how often it was begun
--                                 fence        the fence of that holder
--                                 delivery     at_least_once or at_most_once
--                                 fingerprint  what tells one call under the key from another
--                                 begun        when it was begun last, ms since the epoch
--                                 until        when the record ends, ms since the epoch
--                                 retain       for how long it stays once it is done, ms
--                                 completed    when it was finished, ms since the epoch
--                                 author       who has said that it is done: holder,
--                                              holder_without_result, or operator
--                                 result       in base64
-- ARGV[4]  ttl of the holder, ms
-- ARGV[5]  ttl of the fence, ms
-- ARGV[6]  delivery
-- ARGV[7]  fingerprint; '' for none
-- ARGV[8]  for how long the record stays after the last look at it once it is done, ms
-- ARGV[9]  for how long it stays without an end, ms
-- ARGV[10] values that no lease uses, separated by spaces: what one has begun counts as not begun
--
-- Reply: 'granted', fence, attempt, phase before; '' if there was no record, or if ours already
--        'done', the fields of the record
--        'running', holder, ttl in ms
--        'in_doubt', begun, holder, attempt
--        'different'
local held = redis.call('GET', KEYS[1])
local execution = execution_of(KEYS[3])
local orphans = values_of(ARGV[10])

local function is_ours(value)
  return value == echo or orphans[value]
end

-- Ours already: the answer to an earlier call was lost, and its work has not begun.
if execution and execution.phase == 'begun' and is_ours(execution.holder)
  and (not held or held == execution.holder) then
  if held == echo then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return answer('granted', execution.fence, execution.attempt, '')
  end
  execution = unbegun(execution)
end
if held and is_ours(held) then
  held = false
end
if execution then
  if execution.fingerprint ~= ARGV[7] then
    return answer('different')
  end
  if execution.phase == 'done' then
    local retain = tonumber(ARGV[8])
    local until_ms = now + retain
    if (until_ms - execution['until']) * 100 > retain then
      execution['until'] = until_ms
      -- A server that refuses writes still answers.
      redis.pcall('HSET', KEYS[3], 'until', until_ms)
      redis.pcall('PEXPIREAT', KEYS[3], until_ms)
    end
    return answer('done', fields_of(execution, redis.call('HGET', KEYS[3], 'result')))
  end
  if execution.phase == 'begun' and execution.delivery == 'at_most_once'
    and held ~= execution.holder then
    return answer('in_doubt', execution.begun, execution.holder, execution.attempt)
  end
end
if held then
  return answer('running', held, ttl_of(KEYS[1]))
end
local before, attempts = '', 0
if execution then
  before, attempts = execution.phase, execution.attempt
end
local fence = bump(KEYS[2], ARGV[5], execution and execution.fence)
local until_ms = now + tonumber(ARGV[9])
-- Before the record as well, where it may do nothing: a server that refuses it has recorded
-- nothing, and there is never a record without an end.
redis.call('PEXPIREAT', KEYS[3], until_ms)
redis.call('HSET', KEYS[3], 'version', '1', 'phase', 'begun', 'holder', echo,
  'attempt', attempts + 1, 'fence', fence, 'delivery', ARGV[6], 'fingerprint', ARGV[7],
  'begun', now, 'until', until_ms, 'retain', ARGV[8])
redis.call('PEXPIREAT', KEYS[3], until_ms)
-- The key comes last: a write that is refused in between leaves no lock behind.
redis.call('SET', KEYS[1], echo, 'PX', ARGV[4])
return answer('granted', fence, attempts + 1, before)
