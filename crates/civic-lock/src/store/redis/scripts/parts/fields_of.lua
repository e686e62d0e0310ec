-- The fields after the outcome of an answer, in the order of FIELDS.
local function fields_of(execution, result)
  local fields = {}
  for i = 1, #FIELDS - 1 do
    fields[i] = execution[FIELDS[i]]
  end
  fields[#FIELDS] = result or ''
  return unpack(fields)
end
