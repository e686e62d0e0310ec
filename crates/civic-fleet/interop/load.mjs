// A service of the platform as a caller that repeats nothing: plain `fetch` at a steady pace.
//
//   JWT_SECRET  the platform's secret. Required
//
//   {"id":1,"cmd":"start","url":"...","everyMs":10}   begins; every second call is a POST
//   {"id":2,"cmd":"stop"} -> {"id":2,"gets":N,"posts":N,"answered":["..."],"failures":{"...":N}}

import { randomUUID } from 'node:crypto';

import { required, serveCommands } from './lines.mjs';
import { createInternalHeaders } from './service-token.mjs';

const secret = required('JWT_SECRET');
const tally = { gets: 0, posts: 0, answered: [], failures: {} };
const underWay = new Set();
let timer;
let next = 0;

/** How many calls may be under way. On a busy machine the pace drops, and they do not pile up. */
const MAX_UNDER_WAY = 48;

async function call(url, id) {
  const method = id ? 'POST' : 'GET';
  try {
    const headers = createInternalHeaders(secret);
    const body = id ? JSON.stringify({ id }) : undefined;
    const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(10_000) });
    await response.text();
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    if (id) {
      tally.answered.push(id);
    }
  } catch (error) {
    const reason = `${method} ${error.cause?.code ?? error.message}`;
    tally.failures[reason] = (tally.failures[reason] ?? 0) + 1;
  }
  tally[id ? 'posts' : 'gets'] += 1;
}

serveCommands({
  start({ url, everyMs }) {
    timer = setInterval(() => {
      if (underWay.size >= MAX_UNDER_WAY) {
        return;
      }
      next += 1;
      const ended = call(url, next % 2 ? `node-${randomUUID()}` : null);
      underWay.add(ended);
      ended.finally(() => underWay.delete(ended));
    }, everyMs);
    return {};
  },
  async stop() {
    clearInterval(timer);
    await Promise.all(underWay);
    return tally;
  },
});
