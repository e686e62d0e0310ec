-- A number in a text. tostring() would round to 14 digits.
local function int(number)
  return string.format('%.0f', number)
end
