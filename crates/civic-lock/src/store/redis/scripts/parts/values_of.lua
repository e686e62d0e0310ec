-- The set of the values in an argument, which are separated by spaces.
local function values_of(argument)
  local set = {}
  for value in string.gmatch(argument or '', '%S+') do
    set[value] = true
  end
  return set
end
