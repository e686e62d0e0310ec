// A service of the platform as a caller that makes many calls: what a call costs the process.
//
//   JWT_SECRET  the platform's secret. Required
//
//   {"id":1,"cmd":"calls","url":"...","calls":N,"atATime":N} -> {"id":1,"cpuUs":N}

import { required, serveCommands } from './lines.mjs';
import { createInternalHeaders } from './service-token.mjs';

const secret = required('JWT_SECRET');

/** The platform's rule: an object with both members is an envelope. */
function unwrapEnvelope(body) {
  return body !== null && typeof body === 'object' && 'success' in body && 'data' in body
    ? body.data
    : body;
}

async function call(url) {
  const headers = createInternalHeaders(secret);
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
  const data = unwrapEnvelope(await response.json());
  if (!response.ok || data === undefined) {
    throw new Error(`status ${response.status}`);
  }
}

serveCommands({
  async calls({ url, calls, atATime }) {
    let left = calls;
    const before = process.cpuUsage();
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        await call(url);
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
    const { user, system } = process.cpuUsage(before);
    return { cpuUs: user + system };
  },
});
