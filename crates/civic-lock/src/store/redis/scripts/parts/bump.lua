-- Never below the clock, so that it grows even after the key was lost; and above the last fence
-- that another key remembers, if there is one.
local function bump(key, retain, remembered)
  local last = tonumber(redis.call('GET', key)) or 0
  last = math.max(last, tonumber(remembered) or 0)
  local fence = math.max(last + 1, now_us)
  redis.call('SET', key, fence, 'PX', retain)
  return fence
end
