/** What a track says in a window, in a few numbers: for legends, tables and screen readers. */
import { nearest, place, type Track } from './store';

export interface Summary {
  /** The last bin that has a value; -1: none. */
  at: number;
  last: number;
  lastText: string | null;
  min: number;
  max: number;
  mean: number;
}

/** Of the bins within the window. The mean counts each sample once. */
export function summary(track: Track, from: number, to: number): Summary {
  const found: Summary = { at: -1, last: NaN, lastText: null, min: NaN, max: NaN, mean: NaN };
  let sum = 0;
  let count = 0;
  for (let i = place(track.t, from); i < track.t.length && track.t[i]! <= to; i++) {
    const mean = track.mean[i]!;
    const text = track.text[i] ?? null;
    if (Number.isNaN(mean) && text === null) continue;
    found.at = i;
    found.last = track.last[i]!;
    found.lastText = text;
    if (Number.isNaN(mean)) continue;
    found.min = Number.isNaN(found.min) ? track.min[i]! : Math.min(found.min, track.min[i]!);
    found.max = Number.isNaN(found.max) ? track.max[i]! : Math.max(found.max, track.max[i]!);
    const weight = track.count[i] || 1;
    sum += mean * weight;
    count += weight;
  }
  if (count) found.mean = sum / count;
  return found;
}

/** The value of a track at a time; null where there is none near enough. */
export function valueAt(
  track: Track,
  t: number,
  bin: number,
): { t: number; value: number; text: string | null } | null {
  const at = nearest(track, t, Math.max(1.5 * bin, 1.5 * (track.head.interval ?? 0)));
  if (at < 0) return null;
  return { t: track.t[at]!, value: track.mean[at]!, text: track.text[at] ?? null };
}
