/**
 * The geometry of a track: its mean as a line, least to most as a band, states and texts as steps.
 *
 * Knows nothing of canvases: it is given where values stand in pixels, and a pen. A line is joined only within a run.
 */
import type { Run } from './breaks';
import type { Track } from './store';

/** What is drawn with: a `Path2D`, or in tests something that writes down what it is told. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  rect(x: number, y: number, width: number, height: number): void;
  closePath(): void;
}

/** Where times and values stand, in pixels. */
export interface Place {
  x(t: number): number;
  y(value: number): number;
}

/** Within how many pixels a run counts as a point that needs a mark to be seen. */
const DOT = 1.5;

/** The mean, joined within runs. A run of one bin is a small square: it would not be seen otherwise. */
export function line(pen: Pen, track: Track, runs: readonly Run[], place: Place, dot: number): void {
  for (const { begin, end } of runs) {
    const x0 = place.x(track.t[begin]!);
    const y0 = place.y(track.mean[begin]!);
    if (end - begin === 1) {
      square(pen, x0, y0, dot);
      continue;
    }
    pen.moveTo(x0, y0);
    let x = x0;
    for (let i = begin + 1; i < end; i++) {
      x = place.x(track.t[i]!);
      pen.lineTo(x, place.y(track.mean[i]!));
    }
    if (x - x0 < DOT) square(pen, x0, y0, dot);
  }
}

/** Each value held until the next bin of its run, and the last one for the width of a bin. */
export function steps(
  pen: Pen,
  track: Track,
  runs: readonly Run[],
  place: Place,
  bin: number,
  until: number,
): void {
  for (const { begin, end } of runs) {
    let y = place.y(track.last[begin]!);
    pen.moveTo(place.x(track.t[begin]!), y);
    for (let i = begin + 1; i < end; i++) {
      const x = place.x(track.t[i]!);
      pen.lineTo(x, y);
      y = place.y(track.last[i]!);
      pen.lineTo(x, y);
    }
    const lastTime = track.t[end - 1]!;
    pen.lineTo(place.x(Math.max(lastTime, Math.min(lastTime + bin, until))), y);
  }
}

/** Whether a run has a band at all: of bins of one sample each, least and most are the mean. */
export function hasBand(track: Track, { begin, end }: Run): boolean {
  for (let i = begin; i < end; i++) {
    if (track.max[i]! > track.min[i]!) return true;
  }
  return false;
}

/** From least to most, as an area for each run. */
export function band(pen: Pen, track: Track, runs: readonly Run[], place: Place, dot: number): void {
  for (const run of runs) {
    const { begin, end } = run;
    if (!hasBand(track, run)) continue;
    if (end - begin === 1) {
      const x = place.x(track.t[begin]!);
      const high = place.y(track.max[begin]!);
      pen.rect(x - dot / 2, high, dot, place.y(track.min[begin]!) - high);
      continue;
    }
    pen.moveTo(place.x(track.t[begin]!), place.y(track.max[begin]!));
    for (let i = begin + 1; i < end; i++) pen.lineTo(place.x(track.t[i]!), place.y(track.max[i]!));
    for (let i = end - 1; i >= begin; i--) pen.lineTo(place.x(track.t[i]!), place.y(track.min[i]!));
    pen.closePath();
  }
}

function square(pen: Pen, x: number, y: number, size: number): void {
  pen.rect(x - size / 2, y - size / 2, size, size);
}
