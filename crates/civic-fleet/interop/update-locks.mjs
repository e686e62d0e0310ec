// Renews both lock files after a change in a package.json: `node update-locks.mjs`, in this folder.
//
// A lock file names versions and hashes, and no address: which registry is asked is the business of
// the machine that installs.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

for (const folder of ['nest11', 'nest12']) {
  execFileSync(
    'npm',
    [
      'install',
      '--package-lock-only',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--omit-lockfile-registry-resolved',
    ],
    { cwd: folder, stdio: 'inherit' },
  );
  const path = `${folder}/package-lock.json`;
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  for (const entry of Object.values(lock.packages)) {
    delete entry.funding;
    delete entry.resolved;
  }
  const text = `${JSON.stringify(lock, null, 2)}\n`;
  if (text.includes('://')) {
    throw new Error(`${path} names an address`);
  }
  writeFileSync(path, text);
}
