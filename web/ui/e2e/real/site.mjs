/**
 * What the hosts of a made-up site say, for pictures: `node site.mjs SEED NODES MARKER [BUSY [DISK]]` prints samples as the module
 * `script` reads them. Where MARKER is not there yet, those of the last hour, too.
 */

import { existsSync, writeFileSync } from 'node:fs';

const [seed, nodes, marker, busy = '0.45', disk = '0.6'] = process.argv.slice(2);
/** A run gives at most 20,000 samples. */
const STEP = 30_000;
const HOUR = 3_600_000;
/** Counters begin with the day; one that is looked at over midnight is reset, as counters are. */
const BEGIN = Math.floor(Date.now() / 86_400_000) * 86_400;

/** The same number between 0 and 1 for the same words. */
function hash(...words) {
  let at = 2_166_136_261;
  for (const code of words.join(' ')) at = Math.imul(at ^ code.codePointAt(0), 16_777_619);
  at = Math.imul(at ^ (at >>> 15), 2_246_822_519);
  return ((at ^ (at >>> 13)) >>> 0) / 2 ** 32;
}

/** A wave around 0 that looks like work: slow, less slow, and noise. */
function wave(name, t) {
  const phase = hash(name, 'phase') * 7;
  return (
    0.5 * Math.sin(t / 1_900 + phase) +
    0.25 * Math.sin(t / 410 + 3 * phase) +
    0.25 * (hash(name, Math.floor(t / 30)) - 0.5)
  );
}

/** What has passed since the day began at a rate that swings around a mean: it never falls. */
function total(name, mean, t) {
  const [since, phase] = [t - BEGIN + 86_400, hash(name, 'phase') * 7];
  return Math.round(mean * (since - 0.6 * 700 * Math.cos(since / 700 + phase)));
}

const clamp = (value, most = 1) => Math.min(most, Math.max(0.004, value));

function of(node, ms) {
  const name = `${seed}${node}`;
  const t = ms / 1_000;
  const weight = Number(busy) * (0.7 + 0.6 * hash(name));
  const cpu = clamp(weight + 0.35 * wave(name, t));
  const sample = (parameter, value, unit, more = {}) => ({ node, parameter, value, unit, time: ms, ...more });
  const traffic = (parameter, mean) =>
    sample(parameter, total(name + parameter, mean, t), 'By', { kind: 'counter', item: 'eth0' });
  return [
    sample('cpu_busy', cpu, '1'),
    { node, parameter: 'load1', value: 32 * clamp(cpu + 0.1 * wave(`${name}l`, t), 1.4), time: ms },
    sample('memory_used', clamp(0.35 + 0.4 * hash(name, 'm') + 0.06 * wave(`${name}m`, t)), '1'),
    sample('disk_used', clamp(Number(disk) * (0.75 + 0.45 * hash(name, 'd')), 0.985), '1', { item: '/data' }),
    sample('temperature', 31 + 34 * cpu + 4 * hash(name, 'rack'), 'Cel'),
    traffic('in', 4e7 + 3e8 * hash(name, 'in')),
    traffic('out', 2e7 + 1.5e8 * hash(name, 'out')),
  ];
}

const now = Date.now();
const times = [now];
if (!existsSync(marker)) {
  for (let back = STEP; back < HOUR; back += STEP) times.unshift(now - back);
  writeFileSync(marker, '');
}
const names = Array.from({ length: Number(nodes) }, (_, at) => `n${String(at + 1).padStart(2, '0')}`);
console.log(JSON.stringify({ samples: times.flatMap((ms) => names.flatMap((node) => of(node, ms))) }));
