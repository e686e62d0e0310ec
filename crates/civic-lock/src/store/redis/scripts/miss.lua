-- Moves the watermark over ticks that may not begin any more: no one claimed them, or the holder of
-- the last one died and its grace is over.
--
-- The echo is never used for another call. A call whose answer was lost is repeated with it and
-- answered as the first one was, so that the replica that has moved the watermark learns of it and
-- reports the ticks. For that the last moves are kept as '<echo>@<where it went>', latest first.
--
-- KEYS[1]  lock:<name>
-- KEYS[2]  {lock:<name>}:tick
-- KEYS[3]  {lock:<name>}:runs, if something is remembered of it
-- ARGV[4]  the watermark as it was seen
-- ARGV[5]  where it goes
-- ARGV[6]  how many moves are kept
-- ARGV[7]  what is remembered in the list of the last runs; '' or absent for nothing
-- ARGV[8]  how many runs are remembered
-- ARGV[9]  ttl of what is remembered, ms
--
-- Reply: 'marked'
--        'changed', settled watermark, '1' if it is certain that no call with this echo has
--        moved it, else '0'
local kept_moves = tonumber(ARGV[6])
local done, claimed, by, kept, claimant, prev =
  unpack(redis.call('HMGET', KEYS[2], 'done', 'claimed', 'by', 'marks', 'claimant', 'prev'))
local held = redis.call('GET', KEYS[1])
local marks = {}
for mark in string.gmatch(kept or '', '%S+') do
  if string.sub(mark, 1, #echo + 1) == echo .. '@' then
    return answer('marked')
  end
  marks[#marks + 1] = mark
end
local from, to = tonumber(ARGV[4]), tonumber(ARGV[5])

local function changed()
  -- Certain if no move since `from` has been dropped from the list.
  local certain = #marks < kept_moves or tonumber(string.match(marks[#marks], '@(%d+)$')) <= from
  local sure = settled(done, claimed, claimant, prev, held)
  return answer('changed', sure or '', certain and '1' or '0')
end

if tonumber(done) ~= from or to <= from then
  return changed()
end
local open = tonumber(claimed) or 0
if open > from then
  -- A replica runs it, or may still take it over.
  if open ~= to or (held and held ~= by) then
    return changed()
  end
  redis.call('HDEL', KEYS[2], 'claimed', 'claimant', 'attempt', 'prev', 'handed')
end
table.insert(marks, 1, echo .. '@' .. int(to))
marks[kept_moves + 1] = nil
redis.call('HSET', KEYS[2], 'done', to, 'marks', table.concat(marks, ' '))
if remember(KEYS[3], ARGV[7], ARGV[8]) then
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
end
return answer('marked')
