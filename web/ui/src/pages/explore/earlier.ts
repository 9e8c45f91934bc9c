/** The same series so long ago, to be laid behind those of now: which window is asked for. */
import { parseSpan, type Range } from './range';

/** As `vs` of the address. `before`: the window just before this one. */
export const EARLIER = [
  { id: '', label: 'No earlier time' },
  { id: 'before', label: 'The time before' },
  { id: '1h', label: '1 h earlier' },
  { id: '1d', label: '1 d earlier' },
  { id: '1w', label: '1 w earlier' },
] as const;

/** A moving window is asked for so far ahead, as a part of it and at least, so that it need not be asked for each second. */
const AHEAD = 0.1;
const LEAST_AHEAD = 60_000;

const spanOf = (range: Range, now: number) =>
  range.from <= 0 ? -range.from : (range.to ?? now) - range.from;

/** How long ago `vs` means, ms; null: nothing is compared. */
export function shiftOf(vs: string, range: Range, now: number): number | null {
  if (vs === '') return null;
  // Whole minutes: the window before one that grows does not creep.
  if (vs === 'before') return Math.max(60_000, Math.ceil(spanOf(range, now) / 60_000) * 60_000);
  return parseSpan(vs);
}

/** The window to ask for; of one that moves a little more than is seen. */
export function earlierRange(range: Range, shift: number, now: number): { from: number; to: number } {
  const step = Math.max(LEAST_AHEAD, Math.round(spanOf(range, now) * AHEAD));
  const end = (Math.floor(now / step) + 1) * step;
  const from = range.from <= 0 ? end - step + range.from : range.from;
  return { from: from - shift, to: (range.to ?? end) - shift };
}
