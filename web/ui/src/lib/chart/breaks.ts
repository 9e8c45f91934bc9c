/**
 * Where a line is broken. A gap is drawn as a gap: no line ever joins two bins between which something is missing.
 */
import type { ChartGap } from '../api/types';
import type { Track } from './store';

/** A run of bins that are joined: from index `begin` to before `end`. */
export interface Run {
  begin: number;
  end: number;
}

/** The greatest distance of two bins that are still joined, in ms. */
export function joined(bin: number, interval: number | null | undefined): number {
  return Math.max(2.5 * bin, 3 * (interval ?? 0));
}

/** The gaps that concern a track, in order of time. */
export function gapsOf(track: Track, gaps: readonly ChartGap[]): ChartGap[] {
  return gaps
    .filter(
      (gap) =>
        gap.farm === track.head.farm &&
        (gap.s === undefined || gap.s === null || gap.s === track.head.s) &&
        (!gap.cluster || gap.cluster === track.head.cluster),
    )
    .sort((a, b) => a.from - b.from);
}

/** When a gap ends; one that is still open has not. */
export function endOf(gap: ChartGap): number {
  return gap.to ?? Infinity;
}

/** The runs of a track: broken where neighbours are too far apart, where a gap lies between, and at what is no number. */
export function runsOf(
  track: Track,
  bin: number,
  gaps: readonly ChartGap[],
  values: readonly number[] = track.mean,
): Run[] {
  const runs: Run[] = [];
  const reach = joined(bin, track.head.interval);
  const holes = gaps.length ? gapsOf(track, gaps) : [];
  let hole = 0;
  let begin = -1;
  for (let i = 0; i < track.t.length; i++) {
    const t = track.t[i]!;
    if (Number.isNaN(values[i]!)) {
      if (begin >= 0) runs.push({ begin, end: i });
      begin = -1;
      continue;
    }
    if (begin >= 0) {
      const before = track.t[i - 1]!;
      // Gaps that end by the bin before are behind us.
      while (hole < holes.length && endOf(holes[hole]!) <= before) hole++;
      const between = hole < holes.length && holes[hole]!.from < t && endOf(holes[hole]!) > before;
      if (between || t - before > reach) {
        runs.push({ begin, end: i });
        begin = i;
      }
    } else {
      begin = i;
    }
  }
  if (begin >= 0) runs.push({ begin, end: track.t.length });
  return runs;
}

/** Why nothing is there at a time, for some of these tracks: each reason once, with the farms. */
export function gapsAt(tracks: readonly Track[], gaps: readonly ChartGap[], t: number): string[] {
  const farms = new Map<string, Set<string>>();
  for (const gap of gaps) {
    if (gap.from > t || endOf(gap) < t || !tracks.some((track) => gapsOf(track, [gap]).length > 0)) continue;
    const known = farms.get(gap.reason);
    if (known) known.add(gap.farm);
    else farms.set(gap.reason, new Set([gap.farm]));
  }
  return [...farms].map(([reason, of]) => {
    const [first, ...others] = of;
    return `${reason}: ${first}${others.length > 0 ? ` and ${others.length} more` : ''}`;
  });
}
