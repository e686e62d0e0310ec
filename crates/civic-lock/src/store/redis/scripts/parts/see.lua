-- Notes that a schedule was seen. Those that were silent for too long are dropped, but only because
-- another one is seen: silence alone drops none. Answers the first sight, and both lists.
local function see(list, done, name, silence, most)
  local kept, dropped, own = {}, {}, nil
  for _, seen in ipairs(list) do
    if seen.name == name then
      own = seen
      own.last = math.max(own.last, now)
      kept[#kept + 1] = own
    elseif now - seen.last > silence then
      dropped[#dropped + 1] = seen
    else
      kept[#kept + 1] = seen
    end
  end
  if not own then
    while #kept >= most do
      local oldest = 1
      for i, seen in ipairs(kept) do
        if seen.last < kept[oldest].last then
          oldest = i
        end
      end
      dropped[#dropped + 1] = table.remove(kept, oldest)
    end
    -- A watermark without any schedule is that of the first version, which knew none: its ticks
    -- are due from the watermark on.
    own = {first = #list == 0 and done or now, last = now, name = name}
    kept[#kept + 1] = own
  end
  return own.first, kept, dropped
end
