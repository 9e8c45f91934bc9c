/**
 * The tests of the page against a real mesh, one file after the other: `npm run e2e:real [-- NAME…]`. The binary
 * (`HEDGEROW_BIN`, else that of the debug build) has to be built, with the page. Pictures are kept where `E2E_ARTEFACTS` says.
 */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { start } from './furnished.mjs';

/** They share one mesh: each leaves it as it was, but for who has taken on which alarm. */
const FILES = ['explore', 'filters', 'mesh', 'outage', 'pages'];

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = FILES.filter((name) => wanted.length === 0 || wanted.includes(name));
let code = 1;
let mesh;
try {
  mesh = await start();
  const run = spawn(
    process.execPath,
    [
      ...['--test', '--test-concurrency=1', '--test-reporter=spec'],
      ...files.map((name) => `${here}${name}.test.mjs`),
    ],
    { stdio: 'inherit', env: { ...process.env, E2E_FOLDER: mesh.folder } },
  );
  code = await new Promise((done) => run.on('close', done));
} finally {
  await mesh?.stop();
}
process.exit(code);
