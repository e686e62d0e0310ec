// npm `jsonwebtoken`: mints and verifies, as the platform's services do.
//
//   {"id":1,"cmd":"mint","secret":"...","iat":1740000000}   -> {"id":1,"token":"..."}; without `iat`: now
//   {"id":2,"cmd":"mint","secret":"...","claims":{...},"algorithm":"HS512"}    -> a token of other claims
//   {"id":3,"cmd":"verify","secret":"...","token":"...","now":1740000001}      -> {"id":3,"claims":{...}}
//                                                            or {"id":3,"refused":"jwt expired"}

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
  verify({ secret, token, now }) {
    try {
      return { claims: jwt.verify(token, secret, { clockTimestamp: now }) };
    } catch (error) {
      return { refused: error.message };
    }
  },
});
