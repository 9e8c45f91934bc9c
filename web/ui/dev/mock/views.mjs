/** The live views of the made-up mesh. A kind is `(spec, world, send, refuse) -> stop`; at most four frames a second. */

import { chart, spread, top } from './charts.mjs';
import { matching, valueAt } from './series.mjs';

const TICK = 250;
const MOST = 100_000;

export const full = (world) => ({
  asked: world.farms.size,
  answered: world.farms.size,
  missing: [],
  lookups_missing: [],
  as_of: Date.now(),
  complete: true,
});

function every(ms, run) {
  const timer = setInterval(run, ms);
  return () => clearInterval(timer);
}

/** Terms of a template: enough of them to try the page. */
export function template(text) {
  const terms = text.trim().split(/\s+/).filter(Boolean);
  return (farm) =>
    terms.every((term) => {
      const found = /^([\w.]+)(!?=)(.*)$/.exec(term);
      const like = (pattern, value) =>
        new RegExp(
          `^${pattern
            .replace(/[.+^$()|[\]{}]/g, '\\$&')
            .replaceAll('*', '.*')
            .replaceAll('?', '.')}$`,
        ).test(value ?? '');
      if (!found) return term.startsWith('has:') ? term.slice(4) in farm.attributes : like(term, farm.name);
      const [, key, sign, value] = found;
      const values =
        key === 'kind'
          ? ['farm']
          : key === 'name'
            ? [farm.name]
            : key === 'group'
              ? farm.groups
              : key === 'version'
                ? [farm.version]
                : [farm.attributes[key]];
      return values.some((one) => like(value, one)) === (sign === '=');
    });
}

function mesh(spec, world, send, refuse) {
  if (spec.template && /=$|\(/.test(spec.template)) {
    refuse(`template \`${spec.template}\`: expected a value after \`=\`, as in group=alice`);
    return () => {};
  }
  const fits = template(spec.template ?? '');
  let pending = { farms: new Map(), gone: new Map(), back: [], log: [] };
  const head = () => ({
    now: Date.now(),
    mesh: { name: 'meadow', id: '5f1d0c2a9be84f7e8d7c6b5a49382716' },
    totals: world.totals(),
    lookups: world.lookups(),
  });
  send({
    full: true,
    ...head(),
    farms: [...world.farms.values()].filter(fits),
    gone: [...world.gone.values()].filter((one) => fits(one.farm)),
    log: world.log.slice(-200),
  });
  let dirty = false;
  const stop = world.listen((change) => {
    dirty = true;
    if (change.farm && fits(change.farm)) {
      pending.farms.set(change.farm.id, change.farm);
      pending.gone.delete(change.farm.id);
    }
    if (change.gone && fits(change.gone.farm)) {
      pending.gone.set(change.gone.id, change.gone);
      pending.farms.delete(change.gone.id);
    }
    if (change.back) pending.back.push(change.back);
    if (change.log) pending.log.push(change.log);
  });
  const timer = every(TICK, () => {
    if (!dirty) return;
    dirty = false;
    send({
      ...head(),
      farms: [...pending.farms.values()],
      gone: [...pending.gone.values()],
      back: pending.back,
      log: pending.log,
    });
    pending = { farms: new Map(), gone: new Map(), back: [], log: [] };
  });
  return () => (stop(), timer());
}

function alarms(spec, world, send) {
  const state = () => ({
    now: Date.now(),
    silences: world.silences,
    coverage: {
      ...full(world),
      answered: world.farms.size - 1,
      complete: false,
      missing: [{ farm: 'amsterdam-2', why: 'connection refused' }],
    },
  });
  const shown = (alarm) => spec.cleared || !alarm.cleared;
  send({ full: true, ...state(), alarms: [...world.alarms.values()].filter(shown) });
  let changed = new Map();
  let removed = [];
  const stop = world.listen((change) => {
    if (change.alarm) changed.set(change.alarm.key, change.alarm);
    if (change.removed) (removed.push(change.removed), changed.delete(change.removed));
    if (change.silences) changed = new Map(changed);
    dirty ||= Boolean(change.alarm || change.removed || change.silences);
  });
  let dirty = false;
  const timer = every(TICK, () => {
    if (!dirty) return;
    send({ ...state(), alarms: [...changed.values()], removed });
    [changed, removed, dirty] = [new Map(), [], false];
  });
  return () => (stop(), timer());
}

function lookups(_spec, world, send) {
  send({ full: true, now: Date.now(), lookups: world.lookups(), log: world.log });
  let lines = [];
  const stop = world.listen((change) => change.log && lines.push(change.log));
  const timer = every(1_000, () => {
    send({ now: Date.now(), lookups: world.lookups(), log: lines });
    lines = [];
  });
  return () => (stop(), timer());
}

function latest(spec, world, send) {
  const { found, more } = matching(world, spec.predicate, Math.min(spec.limit ?? 2_000, MOST));
  const values = (heads, t) => ({
    s: heads.map((head) => head.s),
    t: heads.map(() => t),
    v: heads.map((head) => (head.life === 'stale' ? null : valueAt(head, t))),
  });
  const now = Date.now();
  send({ full: true, now, series: found, values: values(found, now), coverage: full(world), more });
  return every(2_000, () => {
    const t = Date.now();
    const some = found.length > 500 ? found.filter((_, at) => (at + Math.floor(t / 2_000)) % 5 === 0) : found;
    send({ now: t, values: values(some, t) });
  });
}

export const kinds = { mesh, alarms, lookups, latest, chart, top, spread };
