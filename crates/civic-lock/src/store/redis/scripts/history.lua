-- Reads the last runs, the latest first.
--
-- KEYS[1]  {lock:<name>}:runs
-- ARGV[4]  how many, at least 1
--
-- Reply: 'history', run, ...
return answer('history', unpack(redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[4]) - 1)))
