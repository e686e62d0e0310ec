// A service of the platform as a caller: `fetch` with the platform's internal headers, and its unwrap.
//
//   JWT_SECRET  the platform's secret. Required
//
//   {"id":1,"cmd":"call","url":"...","method":"POST","body":{...},"correlationId":"...","token":"..."}
//     -> {"id":1,"status":201,"headers":{...},"text":"...","data":...}
//
// `token` replaces the minted one; `""` sends none.

import { required, serveCommands } from './lines.mjs';
import { createInternalHeaders } from './service-token.mjs';

const secret = required('JWT_SECRET');

/** The platform's rule: an object with both members is an envelope. */
function unwrapEnvelope(body) {
  return body !== null && typeof body === 'object' && 'success' in body && 'data' in body
    ? body.data
    : body;
}

serveCommands({
  async call({ url, method = 'GET', body, correlationId, token }) {
    const headers = createInternalHeaders(secret, correlationId);
    if (token === '') {
      delete headers.Authorization;
    } else if (token !== undefined) {
      headers.Authorization = `Bearer ${token}`;
    }
    if (body === undefined && method !== 'GET') {
      delete headers['Content-Type'];
    }
    const response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    let data = null;
    try {
      data = unwrapEnvelope(JSON.parse(text));
    } catch {
      // Not JSON: the text is all there is.
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), text, data };
  },
});
