-- Admits a fence, unless a larger one was admitted before.
--
-- KEYS[1]  {lock:<name>}:seen     the largest fence that was admitted
-- ARGV[4]  fence
-- ARGV[5]  how far it may be ahead of this server's clock, ms
-- ARGV[6]  ttl of what is remembered, ms
--
-- Reply: 'admitted'
--        'stale', largest: nothing has changed
--        'ahead_of_clock': nothing has changed
local seen, fence = KEYS[1], tonumber(ARGV[4])
-- Asked first: what is remembered then never exceeds what a number of Lua holds exactly.
if fence > now_us + tonumber(ARGV[5]) * 1000 then
  return answer('ahead_of_clock')
end
local largest = tonumber(redis.call('GET', seen) or '0') or 0
if fence < largest then
  return answer('stale', largest)
end
if fence > largest then
  redis.call('SET', seen, fence, 'PX', ARGV[6])
end
return answer('admitted')
