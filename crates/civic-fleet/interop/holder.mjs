// The platform's distributed lock on ioredis: `SET lock:<name> <pid>:<ms> EX <ttl> NX`, and a release
// that deletes the key only if the value is still its own. It acquires, holds and releases as often as
// it can, and appends to a file when it entered and left, with the monotonic clock that all processes
// of a machine share.
//
//   REDIS_URL  Required
//   LOCK_NAME  Required
//   LOCK_TTL_S, LOCK_HOLD_MS, LOCK_SECONDS  Default to 10, 5 and 10
//   LOCK_EVENTS  the file. Required
//   LOCK_WHO   the name in the events. Defaults to node: and the process id

import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { emit, number, required, serveCommands } from './lines.mjs';

const RELEASE =
  'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
/** Between two attempts while another process holds the lock, on average twice as long. */
const PAUSE_MS = 4;

const name = required('LOCK_NAME');
const events = required('LOCK_EVENTS');
const ttl = number('LOCK_TTL_S', 10);
const hold = number('LOCK_HOLD_MS', 5);
const who = process.env.LOCK_WHO ?? `node:${process.pid}`;
const key = `lock:${name}`;

function mark(ev) {
  const monoNs = process.hrtime.bigint();
  // By hand: JSON.stringify knows no BigInt, and a double would round it.
  appendFileSync(
    events,
    `{"who":${JSON.stringify(who)},"ev":"${ev}","key":${JSON.stringify(key)},"t":${Date.now()},` +
      `"monoNs":${monoNs},"fence":null,"ttl":${ttl}}\n`,
  );
}

serveCommands({});
const redis = new Redis(required('REDIS_URL'), { maxRetriesPerRequest: 3 });
redis.on('error', (error) => process.stderr.write(`ioredis: ${error.message}\n`));
const tally = { event: 'held', acquired: 0, busy: 0, notOurs: 0, failed: 0 };
const end = process.hrtime.bigint() + BigInt(number('LOCK_SECONDS', 10)) * 1_000_000_000n;
emit({ event: 'holding', key });
while (process.hrtime.bigint() < end) {
  try {
    const value = `${process.pid}:${Date.now()}`;
    const acquired = await redis.set(key, value, 'EX', ttl, 'NX');
    if (acquired === 'OK') {
      mark('enter');
      await sleep(hold);
      mark('leave');
      const released = await redis.eval(RELEASE, 1, key, value);
      tally.acquired += 1;
      tally.notOurs += released === 1 ? 0 : 1;
    } else {
      tally.busy += 1;
      await sleep(PAUSE_MS + Math.random() * 2 * PAUSE_MS);
    }
  } catch (error) {
    process.stderr.write(`lock: ${error.message}\n`);
    tally.failed += 1;
    await sleep(PAUSE_MS);
  }
}
await redis.quit();
emit(tally);
process.exit(0);
