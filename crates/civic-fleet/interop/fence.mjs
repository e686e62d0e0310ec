// Refuses fences that are older than one that was let in. What is remembered is shared with
// civic-lock's FenceLayer.

const ADMIT = `
local time, fence = redis.call('TIME'), tonumber(ARGV[1])
if fence > time[1] * 1000000 + time[2] + 86400000000 then return 400 end
if fence == 0 or fence < tonumber(redis.call('GET', KEYS[1]) or '0') then return 409 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 34560000000)
return 200`;

/** Returns the fence of each lock in `X-Fence`, or throws an error with the status to answer. */
export async function admitFences(redis, header, accepts) {
  const fences = new Map();
  for (const field of header == null ? [] : header.split(',')) {
    const [, name, fence] = /^[ \t]*((?:[\w.~:/!'()*-]|%[0-9A-Fa-f]{2})+)=(\d{1,20})[ \t]*$/.exec(field) ?? [];
    const lock = name && decode(name);
    let status = !lock || fences.has(lock) || fences.size === 16 || !accepts(lock) ? 400 : 200;
    if (status === 200) status = await redis.eval(ADMIT, 1, `{lock:${lock}}:seen`, fence);
    if (status !== 200) throw Object.assign(new Error(`X-Fence is refused: ${status}`), { statusCode: status });
    fences.set(lock, fence);
  }
  return fences;
}

function decode(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}
