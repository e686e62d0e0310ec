// The platform's `createInternalHeaders()`.

import { randomUUID } from 'node:crypto';

import jwt from 'jsonwebtoken';

/** A token of the service account, 30 seconds from now, or from `iat`. */
export function mintServiceToken(secret, iat) {
  const claims = {
    userId: '00000000-0000-0000-0000-000000000000',
    email: 'service@internal',
    role: 'SERVICE_ACCOUNT',
    municipalityId: 'internal',
    name: 'Internal Service',
  };
  return jwt.sign(iat === undefined ? claims : { ...claims, iat }, secret, { expiresIn: 30 });
}

/** The headers of a request to another service. */
export function createInternalHeaders(secret, correlationId) {
  return {
    Authorization: `Bearer ${mintServiceToken(secret)}`,
    'X-Correlation-Id': correlationId ?? randomUUID(),
    'Content-Type': 'application/json',
  };
}
