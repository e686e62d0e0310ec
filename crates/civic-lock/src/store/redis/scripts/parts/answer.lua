local function answer(...)
  return {echo, serial, now_us, ...}
end
