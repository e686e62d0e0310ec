-- The schedules that a job was seen with are lines of the form '<first> <last> <fingerprint>', in
-- the order of their first sight: first and last are milliseconds of this server's clock.

local function sightings_of(text)
  local list = {}
  for first, last, name in string.gmatch(text or '', '(%d+) (%d+) ([^\n]+)') do
    list[#list + 1] = {first = tonumber(first), last = tonumber(last), name = name}
  end
  return list
end

local function text_of(list)
  local lines = {}
  for i, seen in ipairs(list) do
    lines[i] = int(seen.first) .. ' ' .. int(seen.last) .. ' ' .. seen.name
  end
  return table.concat(lines, '\n')
end
