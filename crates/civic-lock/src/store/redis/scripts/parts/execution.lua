-- The record of an execution, see once_begin.lua; nil if there is none.

local FIELDS = {'phase', 'holder', 'attempt', 'fence', 'delivery', 'fingerprint', 'begun', 'until',
  'retain', 'completed', 'author', 'result'}

-- The result may be long: it is read only where it is answered.
local function execution_of(key)
  local fields = redis.call('HMGET', key, unpack(FIELDS, 1, #FIELDS - 1))
  if not fields[1] then
    return nil
  end
  local execution = {}
  for i = 1, #FIELDS - 1 do
    execution[FIELDS[i]] = fields[i] or ''
  end
  execution.attempt = tonumber(execution.attempt)
  execution['until'] = tonumber(execution['until'])
  execution.retain = tonumber(execution.retain)
  return execution
end
