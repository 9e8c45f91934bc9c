/** The heat map of nodes: where cells lie, which colour a value has. Pure; canvas and page are elsewhere. */

export interface Grid {
  columns: number;
  rows: number;
  /** Of a cell, px, its gap within. */
  size: number;
}

const LARGEST = 84;
const SMALLEST = 5;

/** The largest cells with which all fit into the area; where none do, rows go on below it. */
export function gridFor(count: number, width: number, height: number): Grid {
  if (count <= 0 || width <= 0) return { columns: 1, rows: 0, size: LARGEST };
  for (let size = LARGEST; size >= SMALLEST; size--) {
    const columns = Math.max(1, Math.floor(width / size));
    const rows = Math.ceil(count / columns);
    if (rows * size <= height || size === SMALLEST) return { columns, rows, size };
  }
  return { columns: 1, rows: count, size: SMALLEST };
}

export interface Range {
  low: number;
  high: number;
}

/** Ratios and percents have a range of their own; others go from the 2nd to the 98th in a hundred, so that one wild value does not grey the rest. */
export function rangeOf(values: number[], unit: string | null | undefined): Range {
  if (unit === '1' && values.every((value) => value >= 0 && value <= 1)) return { low: 0, high: 1 };
  if (values.length === 0) return { low: 0, high: 1 };
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const low = Math.min(at(0.02), at(0) >= 0 ? at(0.02) : at(0));
  const high = at(0.98);
  if (high > low) return { low: low > 0 && low < high * 0.3 ? 0 : low, high };
  return low >= 0 ? { low: 0, high: high || 1 } : { low, high: 0 };
}

/** Where in a scale of `steps` colours a value lies, 0 to 1. */
export function share(value: number, range: Range): number {
  return Math.min(1, Math.max(0, (value - range.low) / (range.high - range.low)));
}

/** `#rrggbb` colours of a scale made finer, as CSS text. */
export function ramp(colors: string[], steps: number): string[] {
  const parsed = colors.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  return Array.from({ length: steps }, (_, step) => {
    const place = (step / (steps - 1)) * (parsed.length - 1);
    const at = Math.min(parsed.length - 2, Math.floor(place));
    const mixed = [0, 1, 2].map((c) => {
      const [a, b] = [parsed[at]?.[c] ?? 0, parsed[at + 1]?.[c] ?? 0];
      return Math.round(a + (b - a) * (place - at));
    });
    return `rgb(${mixed.join(' ')})`;
  });
}

export interface Summary {
  count: number;
  silent: number;
  low: number | null;
  median: number | null;
  high: number | null;
}

export function summary(values: (number | null)[]): Summary {
  const known = values
    .filter((value): value is number => value !== null && Number.isFinite(value))
    .sort((a, b) => a - b);
  return {
    count: values.length,
    silent: values.length - known.length,
    low: known[0] ?? null,
    median: known[Math.floor((known.length - 1) / 2)] ?? null,
    high: known.at(-1) ?? null,
  };
}
