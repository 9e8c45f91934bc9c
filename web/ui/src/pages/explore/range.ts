/** The time range of a page as its address holds it: `from=-1h`, or two moments. */

export interface Range {
  /** <= 0: relative to now; otherwise Unix ms. */
  from: number;
  /** Unix ms; absent: live. */
  to?: number;
}

const SIZES: [string, number][] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

export const PRESETS = ['5m', '15m', '1h', '6h', '1d', '1w'] as const;
export const DEFAULT: Range = { from: -3_600_000 };
/** Shorter than this nothing is to be seen, ms. */
export const SHORTEST = 5_000;
/** No farm keeps more by default; longer ranges are asked for in vain, ms. */
export const LONGEST = 10 * 366 * 86_400_000;

/** `1h30m` in ms; null where it is none. */
export function parseSpan(text: string): number | null {
  if (!/^(\d+(\.\d+)?[wdhms])+$/.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)([wdhms])/g)) {
    sum += Number(amount) * (SIZES.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return sum >= SHORTEST && sum <= LONGEST ? sum : null;
}

/** A span as a text that reads back: `1h30m`. */
export function printSpan(ms: number): string {
  let rest = Math.round(ms / 1_000) * 1_000;
  let text = '';
  for (const [name, size] of SIZES) {
    // A week and a bit reads better in days.
    if (name === 'w' && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${name}`;
    rest -= count * size;
  }
  return text || '0s';
}

/** What the address says; what it does not say, or says wrongly, is the default. */
export function parseRange(query: URLSearchParams): Range {
  const from = query.get('from') ?? '';
  if (from.startsWith('-')) {
    const span = parseSpan(from.slice(1));
    return span === null ? DEFAULT : { from: -span };
  }
  const [begin, end] = [moment(from), moment(query.get('to') ?? '')];
  if (begin === null) return DEFAULT;
  if (end === null) return { from: begin };
  return end - begin >= SHORTEST ? { from: begin, to: end } : DEFAULT;
}

/** The same as parameters of an address. */
export function printRange(range: Range): { from: string | null; to: string | null } {
  if (range.from <= 0)
    return { from: range.from === DEFAULT.from ? null : `-${printSpan(-range.from)}`, to: null };
  return {
    from: new Date(range.from).toISOString(),
    to: range.to === undefined ? null : new Date(range.to).toISOString(),
  };
}

function moment(text: string): number | null {
  const at = /^\d{4}-\d\d-\d\dT/.test(text)
    ? Date.parse(text)
    : /^\d{10,15}$/.test(text)
      ? Number(text)
      : NaN;
  return at > 0 ? at : null;
}

/** A chosen range made whole: in order, not too short, not past now; one that ends now and moves stays live. */
export function chosenRange(from: number, to: number, now: number): Range {
  const middle = (from + to) / 2;
  const half = Math.max(Math.abs(to - from), SHORTEST) / 2;
  let [begin, end] = [Math.round(middle - half), Math.round(middle + half)];
  if (end > now) {
    begin -= end - now;
    end = now;
  }
  return { from: Math.max(1, Math.round(begin)), to: Math.round(end) };
}

/** The words of a window for a query: `since=… until=…`. */
export function windowWords(range: Range, now: number): string {
  const from = range.from <= 0 ? now + range.from : range.from;
  return `since=${new Date(from).toISOString()} until=${new Date(range.to ?? now).toISOString()}`;
}

/** For `<input type="datetime-local">`: the viewer's zone, to the second. */
export function forInput(ms: number): string {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
