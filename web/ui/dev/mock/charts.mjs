/** Charts, tops and spreads of the made-up mesh: history made on demand, then live values appended at the seam. */

import { matching, valueAt } from './series.mjs';
import { full } from './views.mjs';

const LADDER = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
].map((s) => s * 1000);
const STATES = { up: 1, down: 2 };
/** The farm of this name was down for a while. */
const GAPPY = 'geneva-2';

function bad(predicate) {
  const at = predicate.search(/[()<>]|\{\s*$/);
  return at < 0 || / where /.test(predicate)
    ? null
    : `at byte ${at}: \`${predicate[at]}\`; expected a pattern, such as \`*/hosts/*/load1\``;
}

/** The bins of a series that begin in [from, to). */
function bins(head, from, to, bin) {
  const step = Math.max(bin, Math.ceil(head.interval / bin) * bin);
  const points = { s: head.s, t: [], min: [], max: [], mean: [], last: [], count: [] };
  const texts = head.kind === 'state' || head.kind === 'text';
  if (texts) points.text = [];
  const ends = head.life === 'live' ? to : to - 90_000;
  for (let t = Math.ceil(from / step) * step; t < Math.min(to, ends); t += step) {
    if (head.farm === GAPPY && gapAt(t)) continue;
    const value = valueAt(head, t);
    points.t.push(t);
    points.count.push(Math.max(1, Math.round(bin / head.interval)));
    if (texts) {
      const text =
        head.kind === 'state' && head.labels && Math.floor(t / 400_000) % 9 === head.s % 9 ? 'down' : value;
      points.text.push(text);
      points.last.push(STATES[text] ?? 0);
      continue;
    }
    const spread = Math.abs(value) * 0.08 * (bin > head.interval ? 1 : 0);
    points.mean.push(value);
    points.min.push(Math.max(0, value - spread));
    points.max.push(head.unit === '1' && head.as === 'value' ? Math.min(1, value + spread) : value + spread);
    points.last.push(value);
  }
  if (texts) (delete points.min, delete points.max, delete points.mean);
  return points;
}

/** When that was: before this program began, so that nothing is missing of what comes now. */
const DOWN = { from: Date.now() - 1_700_000, to: Date.now() - 1_300_000 };
const gapAt = (t) => t > DOWN.from && t < DOWN.to;

function gaps(heads, from, to) {
  const concerned = heads.some((head) => head.farm === GAPPY) && DOWN.to > from && DOWN.from < to;
  return concerned ? [{ farm: GAPPY, ...DOWN, reason: 'crash' }] : [];
}

export function chart(spec, world, send, refuse) {
  const problem = bad(spec.predicate);
  if (problem) {
    refuse(problem);
    return () => {};
  }
  const begun = Date.now();
  const from = spec.from <= 0 ? begun + spec.from : spec.from;
  const to = spec.to ?? begun;
  const bin = LADDER.find((size) => (to - from) / size <= spec.pixels) ?? LADDER.at(-1);
  const { found, more } = matching(world, spec.predicate, Math.min(spec.max_series ?? 50, 500));
  const interval = spec.predicate.includes('geneva') ? 1_000 : 10_000;
  const heads = found.map((head) => ({ ...head, interval: world.quick ? 1_000 : interval }));
  const frame = (now) => ({ now, bin, from: spec.from <= 0 ? now + spec.from : from, to: spec.to ?? null });
  send({ full: true, ...frame(begun), series: heads, points: [], loading: true, more });
  let told = from;
  const history = setTimeout(() => {
    const now = Date.now();
    told = Math.floor((spec.to ?? now) / bin) * bin;
    const coverage = {
      ...full(world),
      ...(spec.predicate.startsWith('lyon')
        ? {
            complete: false,
            answered: world.farms.size - 1,
            missing: [{ farm: 'lyon-2', why: 'connection refused' }],
          }
        : {}),
    };
    send({
      full: true,
      ...frame(now),
      series: heads,
      points: heads.map((head) => bins(head, from, spec.to ?? now, bin)),
      gaps: gaps(heads, from, to),
      unplaced: heads.some((head) => head.farm === GAPPY)
        ? [{ farm: GAPPY, cluster: 'hosts', from: null, to: null, reason: 'overflow', count: 1_204 }]
        : undefined,
      coverage,
      loading: false,
      more,
    });
  }, 120);
  if (spec.to !== undefined) return () => clearTimeout(history);
  const timer = setInterval(() => {
    const now = Date.now();
    if (told === from) return;
    const points = heads.map((head) => bins(head, told - bin, now, bin)).filter((of) => of.t.length > 0);
    told = Math.floor(now / bin) * bin;
    send({ ...frame(now), points });
  }, 1_000);
  return () => (clearTimeout(history), clearInterval(timer));
}

const live = (heads) =>
  heads.filter((head) => head.life === 'live' && head.kind !== 'state' && head.kind !== 'text');

export function top(spec, world, send) {
  const { found, more } = matching(world, spec.predicate, 20_000);
  const tell = () => {
    const now = Date.now();
    const rows = live(found)
      .map((head) => ({ ...head, t: now - 2_000, v: valueAt(head, now) }))
      .sort((a, b) => (spec.ascending ? a.v - b.v : b.v - a.v))
      .slice(0, spec.n);
    send({
      full: true,
      now,
      rows,
      matched: found.length + more,
      unit: found[0]?.unit ?? null,
      coverage: full(world),
    });
  };
  tell();
  const timer = setInterval(tell, 1_000);
  return () => clearInterval(timer);
}

export function spread(spec, world, send, refuse) {
  const { found } = matching(world, spec.predicate, 20_000);
  const heads = live(found);
  const units = [...new Set(heads.map((head) => (head.unit ?? '') + (head.as === 'rate' ? '/s' : '')))];
  if (units.length > 1) {
    refuse(
      `these series have several units (${units.map((unit) => unit || 'none').join(', ')}): a distribution is of one; narrow the predicate`,
    );
    return () => {};
  }
  const tell = () => {
    const now = Date.now();
    const values = heads.map((head) => valueAt(head, now)).sort((a, b) => a - b);
    const n = values.length;
    const at = (q) => values[Math.min(n - 1, Math.floor(q * n))];
    const bars = spec.bins ?? 20;
    const [low, high] = n ? [values[0], values[n - 1]] : [0, 1];
    const width = (high - low || 1) / bars;
    const counts = Array.from({ length: bars }, () => 0);
    for (const value of values) counts[Math.min(bars - 1, Math.floor((value - low) / width))]++;
    send({
      full: true,
      now,
      unit: heads[0]?.unit ?? null,
      count: n,
      edges: Array.from({ length: bars + 1 }, (_, index) => low + index * width),
      counts,
      quantiles: n
        ? {
            p01: at(0.01),
            p05: at(0.05),
            p25: at(0.25),
            p50: at(0.5),
            p75: at(0.75),
            p95: at(0.95),
            p99: at(0.99),
          }
        : null,
      min: n ? low : null,
      max: n ? high : null,
      mean: n ? values.reduce((sum, value) => sum + value, 0) / n : null,
      coverage: full(world),
    });
  };
  tell();
  const timer = setInterval(tell, 1_000);
  return () => clearInterval(timer);
}
