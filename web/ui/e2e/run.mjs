/** Runs all `*.test.mjs` here, one file after the other: `npm run e2e [-- NAME…]`. The page has to be built (`npm run build`). */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(here).filter(
  (name) => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some((one) => name.includes(one))),
);
const run = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', ...files.map((name) => here + name)],
  { stdio: 'inherit' },
);
process.exit(run.status ?? 1);
