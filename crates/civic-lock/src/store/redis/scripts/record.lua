-- Remembers a run.
--
-- KEYS[1]  {lock:<name>}:runs
-- ARGV[3]  what is remembered of it
-- ARGV[4]  how many runs are remembered
-- ARGV[5]  ttl of what is remembered, ms
--
-- Reply: 'recorded'
remember(KEYS[1], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return answer('recorded')
