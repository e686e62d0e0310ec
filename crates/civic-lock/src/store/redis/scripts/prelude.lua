-- Put before every script. Between the two come the parts that the script uses, and no others: a
-- function is made anew whenever the script runs.
--
-- ARGV[1]  echo: the holder, or a word that stands for none
-- ARGV[2]  not_after: microseconds of this server's clock
-- ARGV[3]  serial: a number that was never used before. The reply begins with it too, so that the
--          reply to one command is never taken for that to another one of the same holder
--
-- Reply: {echo, serial, microseconds of this server's clock, outcome, ...}. Texts and whole
-- numbers; an empty text stands for none. Where there is no line break in them, they may come as
-- the lines of one text, which costs a third of a list. A command that its caller has given up on
-- answers 'expired' and does nothing: it may have waited in the buffer of a server that was
-- stopped.
--
-- A number goes to a command and into a list as it is: the server writes all of its digits.
local echo, serial = ARGV[1], ARGV[3]
-- Read once per script: it is not frozen while the script runs.
local time = redis.call('TIME')
-- In digits, which can be computed with all the same. Nearly always the microseconds have six.
local now_us = time[1] .. (#time[2] == 6 and time[2] or string.format('%06d', time[2]))

if tonumber(now_us) > tonumber(ARGV[2]) then
  return {echo, serial, now_us, 'expired'}
end
