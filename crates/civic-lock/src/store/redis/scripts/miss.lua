-- Moves the watermark over ticks that nobody may begin any more: nobody claimed them, or the holder
-- of the last one died and its grace is over.
--
-- The echo is never used again: a call whose answer was lost is repeated with it, and answered as
-- the first one was, so that whoever has moved the watermark gets to know it and reports the ticks.
-- For that the last movements are kept, '<echo>@<where it went>', the latest first.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- ARGV[3]  the watermark as it was seen
-- ARGV[4]  where it goes
--
-- Reply: 'marked'
--        'changed', done, '1' if it is certain that no call with this echo has moved it, else '0'
local KEPT = 16
local done, claimed, by, kept = unpack(redis.call('HMGET', KEYS[2], 'done', 'claimed', 'by', 'marks'))
local marks = {}
for mark in string.gmatch(kept or '', '%S+') do
  if string.sub(mark, 1, #echo + 1) == echo .. '@' then
    return answer('marked')
  end
  marks[#marks + 1] = mark
end
local from, to = tonumber(ARGV[3]), tonumber(ARGV[4])

local function changed()
  -- Certain if no movement since `from` has been dropped from the list.
  local certain = #marks < KEPT or tonumber(string.match(marks[#marks], '@(%d+)$')) <= from
  return answer('changed', done or '', certain and '1' or '0')
end

if tonumber(done) ~= from or to <= from then
  return changed()
end
claimed = tonumber(claimed) or 0
if claimed > from then
  local held = redis.call('GET', KEYS[1])
  -- Somebody runs it, or may still take it over.
  if claimed ~= to or (held and held ~= by) then
    return changed()
  end
  redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev')
end
table.insert(marks, 1, echo .. '@' .. int(to))
marks[KEPT + 1] = nil
redis.call('HSET', KEYS[2], 'done', int(to), 'marks', table.concat(marks, ' '))
return answer('marked')
