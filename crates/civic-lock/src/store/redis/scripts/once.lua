-- Put between the prelude and the scripts about an execution.
--
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

-- As if its last beginning had not been asked for; nil if that was the only one.
local function unbegun(execution)
  if execution.attempt <= 1 then
    return nil
  end
  execution.attempt, execution.phase = execution.attempt - 1, 'free'
  return execution
end

-- The fields after the outcome of an answer, in the order of FIELDS.
local function fields_of(execution, result)
  local fields = {}
  for i = 1, #FIELDS - 1 do
    local value = execution[FIELDS[i]]
    fields[i] = type(value) == 'number' and int(value) or value
  end
  fields[#FIELDS] = result or ''
  return unpack(fields)
end

-- Deletes the key if it is ours, and announces it.
local function let_go(key, channel)
  if redis.call('GET', key) == echo then
    redis.call('DEL', key)
    announce(channel)
  end
end
