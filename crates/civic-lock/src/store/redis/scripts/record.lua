-- Remembers a run.
--
-- KEYS[1]  {lock:<name>}:runs
-- ARGV[4]  what is remembered of it
-- ARGV[5]  how many runs are remembered
-- ARGV[6]  ttl of what is remembered, ms
--
-- Reply: 'recorded'
remember(KEYS[1], ARGV[4], ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return answer('recorded')
