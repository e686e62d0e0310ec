// npm `jsonwebtoken`: mints and verifies, as the platform's services do.
//
//   {"id":1,"cmd":"mint","secret":"...","iat":1740000000}   -> {"id":1,"token":"..."}; without `iat`: now
//   {"id":2,"cmd":"mint","secret":"...","claims":{...},"algorithm":"HS512"}    -> a token of other claims
//   {"id":3,"cmd":"mintTransaction","secret":"...","claims":{...}}   -> a transaction token of these claims
//   {"id":4,"cmd":"verify","secret":"...","token":"...","now":1740000001}      -> {"id":4,"claims":{...}}
//                                                            or {"id":4,"refused":"jwt expired"}

import { hkdfSync } from 'node:crypto';

import jwt from 'jsonwebtoken';

import { serveCommands } from './lines.mjs';
import { mintServiceToken } from './service-token.mjs';

serveCommands({
  mint({ secret, iat, claims, algorithm }) {
    if (!claims) {
      return { token: mintServiceToken(secret, iat) };
    }
    return { token: jwt.sign(claims, secret, { algorithm: algorithm ?? 'HS256' }) };
  },
  /** With the key that is derived from the secret for this purpose, or with another one. */
  mintTransaction({ secret, claims, purpose = 'civic txn-token v1', type = 'txntoken+jwt' }) {
    const key = purpose === '' ? secret : Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
    const header = { alg: 'HS256', typ: type };
    return { token: jwt.sign(claims, key, { header }) };
  },
  verify({ secret, token, now }) {
    try {
      return { claims: jwt.verify(token, secret, { clockTimestamp: now }) };
    } catch (error) {
      return { refused: error.message };
    }
  },
});
