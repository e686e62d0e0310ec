-- '' when the key has no ttl.
local function ttl_of(key)
  local left = redis.call('PTTL', key)
  if left < 0 then
    return ''
  end
  return left
end
