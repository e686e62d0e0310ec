-- The last runs of the job, the latest first. Nothing to keep: nothing to do.
local function remember(key, run, kept)
  if key and run and run ~= '' then
    redis.call('LPUSH', key, run)
    redis.call('LTRIM', key, 0, tonumber(kept) - 1)
    return true
  end
end
