-- Put before every script.
--
-- ARGV[1]  echo: the holder, or a word that stands for none
-- ARGV[2]  not_after: microseconds of this server's clock; 0 for none. A space and a number may
--          follow that was never used before: the reply begins with it too, so that the reply to
--          one command is never taken for that to another one of the same holder
--
-- Reply: {echo and number, microseconds of this server's clock, outcome, ...}. All are strings; an
-- empty one stands for none. A command that its caller has given up on answers 'expired' and does
-- nothing: it may have waited in the buffer of a server that was stopped.
local echo = ARGV[1]
local not_after, serial = string.match(ARGV[2], '^(%d+)(.*)$')
-- Read once per script: it is not frozen while the script runs.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

-- tostring() would round to 14 digits.
local function int(number)
  return string.format('%.0f', number)
end

local function answer(...)
  return {echo .. serial, int(now_us), ...}
end

-- The set of the values in an argument, which are separated by spaces.
local function values_of(argument)
  local set = {}
  for value in string.gmatch(argument or '', '%S+') do
    set[value] = true
  end
  return set
end

-- Never below the clock, so that it grows even after the key was lost; and above the last fence
-- that another key remembers, if there is one.
local function bump(key, retain, remembered)
  local last = tonumber(redis.call('GET', key) or '0') or 0
  last = math.max(last, tonumber(remembered) or 0)
  local fence = math.max(last + 1, now_us)
  redis.call('SET', key, int(fence), 'PX', retain)
  return int(fence)
end

-- The watermark without an at-most-once tick whose holder has the key: its work may not have begun,
-- and the claim may be taken back.
local function settled(done, claimed, claimant, prev, held)
  if done and prev and claimed == done and held and held == claimant then
    return prev
  end
  return done
end

-- '' when the key has no ttl.
local function ttl_of(key)
  local left = redis.call('PTTL', key)
  if left < 0 then
    return ''
  end
  return int(left)
end

-- The last runs of the job, the latest first. Nothing to keep: nothing to do.
local function remember(key, run, kept)
  if key and run and run ~= '' then
    redis.call('LPUSH', key, run)
    redis.call('LTRIM', key, 0, tonumber(kept) - 1)
    return true
  end
end

-- A hint only: without permission for the channel the lock still works.
local function announce(channel)
  redis.pcall('PUBLISH', channel, '')
end

if tonumber(not_after) > 0 and now_us > tonumber(not_after) then
  return answer('expired')
end
