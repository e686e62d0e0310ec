-- As if its last beginning had not been asked for; nil if that was the only one.
local function unbegun(execution)
  if execution.attempt <= 1 then
    return nil
  end
  execution.attempt, execution.phase = execution.attempt - 1, 'free'
  return execution
end
