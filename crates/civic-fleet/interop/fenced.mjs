// A callee that compares fences, as docs/one-effect.md shows it.
//
//   REDIS_URL  Required
//
// The command `admit` takes the `header` of a request, and answers the `status` and the `fences` that
// the request was let in with.

import { Redis } from 'ioredis';

import { admitFences } from './fence.mjs';
import { required, serveCommands } from './lines.mjs';

const redis = new Redis(required('REDIS_URL'), { maxRetriesPerRequest: 3 });
redis.on('error', (error) => process.stderr.write(`ioredis: ${error.message}\n`));

serveCommands({
  async admit({ header }) {
    try {
      const fences = await admitFences(redis, header, (lock) => lock.startsWith('account:'));
      return { status: 200, fences: Object.fromEntries(fences) };
    } catch (error) {
      if (error.statusCode === undefined) {
        throw error;
      }
      return { status: error.statusCode, fences: {} };
    }
  },
});
