/**
 * What one chart view holds: frames of the server applied, full ones and differences.
 *
 * Pure: no DOM, no clock, no sockets. Time comes with the frames. Bounded by what the server sends for one view (its bins are
 * at most its pixels, its series at most 500), and bins that slid out of the window are dropped here.
 */
import type { ChartFrame, Coverage, ChartGap, SeriesHead } from '../api/types';

/** One series: its head, and its bins in order of time as columns. What is no number is NaN. */
export interface Track {
  head: SeriesHead;
  t: number[];
  min: number[];
  max: number[];
  mean: number[];
  last: number[];
  count: number[];
  /** Of states and texts: what each bin ended with. */
  text: (string | null)[];
}

/** Unplaced gaps that are kept. */
const UNPLACED = 32;
/** Different texts that have a place of their own on the axis; all further ones share one. */
const CODES = 1_000;
/** How many bins a track may keep past its window before they are dropped: dropping costs, so it is done rarely. */
const SLACK = 32;

export class ChartStore {
  readonly tracks = new Map<number, Track>();
  gaps: ChartGap[] = [];
  /** What is missing though nobody knows when it was; the newest of them. */
  unplaced: NonNullable<ChartFrame['unplaced']> = [];
  /** Server's clock at the last frame, Unix ms; 0: no frame has come. */
  now = 0;
  /** Width of a bin in ms. */
  bin = 1000;
  /** Begin of the window, Unix ms. */
  from = 0;
  /** End of the window, Unix ms; null: it moves with the clock. */
  to: number | null = null;
  loading = true;
  /** Series that matched and are not here, for there were too many. */
  more = 0;
  coverage: Coverage | null = null;
  /** Why the view is over, in a sentence. */
  error: string | null = null;
  /** Raised by each change: whoever drew version n has nothing to do until it is another. */
  version = 0;
  /** Raised when a series came, went, or changed its head. */
  heads = 0;
  /** How long the moving window is, ms; null: it begins at a fixed time. */
  #span: number | null = null;
  #codes = new Map<string, number>();
  #listeners = new Set<() => void>();

  /** A view was asked for. What is here stays to be looked at until its first frame comes. */
  opened(spec: { from: number; to?: number }): void {
    this.#span = spec.to === undefined && spec.from <= 0 ? -spec.from : null;
    this.loading = true;
    this.error = null;
    this.#changed();
  }

  /** Calls back after each change. The answer ends it. */
  listen(call: () => void): () => void {
    this.#listeners.add(call);
    return () => this.#listeners.delete(call);
  }

  /** Applies one frame. */
  apply(frame: ChartFrame): void {
    this.error = null;
    if (frame.full) {
      this.tracks.clear();
      this.gaps = [];
      this.unplaced = [];
      this.heads++;
    }
    this.now = frame.now;
    this.bin = frame.bin ?? this.bin;
    this.to = frame.to ?? null;
    this.from = frame.from <= 0 ? frame.now + frame.from : frame.from;
    this.loading = frame.loading ?? false;
    this.more = frame.more ?? 0;
    if (frame.coverage) this.coverage = frame.coverage;
    for (const head of frame.series ?? []) this.#head(head);
    for (const points of frame.points ?? []) this.#points(points);
    for (const gap of frame.gaps ?? []) this.#gap(gap);
    if (frame.unplaced) this.unplaced = [...this.unplaced, ...frame.unplaced].slice(-UNPLACED);
    this.#drop();
    this.#changed();
  }

  /** The view is over. What was drawn stays. */
  fail(error: string): void {
    this.error = error;
    this.loading = false;
    this.#changed();
  }

  /** The window that is shown when the server's clock is at `now`. */
  window(now = this.now): [from: number, to: number] {
    if (this.to !== null) return [this.from, this.to];
    const end = Math.max(now, this.now);
    return [this.#span === null ? this.from : end - this.#span, end];
  }

  #changed(): void {
    this.version++;
    for (const call of this.#listeners) call();
  }

  #head(head: SeriesHead): void {
    const known = this.tracks.get(head.s);
    this.heads++;
    if (known) known.head = head;
    else this.tracks.set(head.s, { head, t: [], min: [], max: [], mean: [], last: [], count: [], text: [] });
  }

  #points(points: NonNullable<ChartFrame['points']>[number]): void {
    const track = this.tracks.get(points.s);
    if (!track) return;
    for (let i = 0; i < points.t.length; i++) {
      const t = points.t[i]!;
      const at = place(track.t, t);
      const replace = at < track.t.length && track.t[at] === t ? 1 : 0;
      const text = points.text?.[i] ?? null;
      const last = points.last ? number(points.last[i]) : text === null ? NaN : this.#code(text);
      put(track.t, at, replace, t);
      put(track.mean, at, replace, points.mean ? number(points.mean[i]) : last);
      put(track.min, at, replace, points.min ? number(points.min[i]) : last);
      put(track.max, at, replace, points.max ? number(points.max[i]) : last);
      put(track.last, at, replace, last);
      put(track.count, at, replace, points.count?.[i] ?? 1);
      put(track.text, at, replace, text);
    }
  }

  /** Texts have no codes: they get them in the order in which they come. */
  #code(text: string): number {
    let code = this.#codes.get(text);
    if (code === undefined) {
      code = this.#codes.size;
      if (code < CODES) this.#codes.set(text, code);
    }
    return code;
  }

  #gap(gap: ChartGap): void {
    const same = this.gaps.findIndex(
      (g) =>
        g.farm === gap.farm &&
        g.s === gap.s &&
        g.cluster === gap.cluster &&
        g.from === gap.from &&
        g.reason === gap.reason,
    );
    if (same >= 0) this.gaps[same] = gap;
    else this.gaps.push(gap);
  }

  /** Drops what slid out of the window, but for one bin before it: the line comes in from the left. */
  #drop(): void {
    if (this.to !== null) return;
    const [from] = this.window();
    for (const track of this.tracks.values()) {
      const first = place(track.t, from) - 1;
      if (first <= SLACK) continue;
      for (const column of [track.t, track.min, track.max, track.mean, track.last, track.count, track.text])
        column.splice(0, first);
    }
    this.gaps = this.gaps.filter((gap) => (gap.to ?? Infinity) > from);
  }
}

/** A number of a column; what JSON has not comes as null and is NaN here. */
function number(value: number | null | undefined): number {
  return value ?? NaN;
}

/** Where `t` stands, or would stand, in ascending times. Almost always at the end: looked at first. */
export function place(times: readonly number[], t: number): number {
  let high = times.length;
  if (high === 0 || times[high - 1]! < t) return high;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

function put<T>(column: T[], at: number, replace: number, value: T): void {
  if (replace) column[at] = value;
  else if (at === column.length) column.push(value);
  else column.splice(at, 0, value);
}

/** The bin of a track at which a cursor at `t` points: the nearest, if it is near enough to be meant. */
export function nearest(track: Track, t: number, reach: number): number {
  const right = place(track.t, t);
  let best = -1;
  let distance = reach;
  for (const i of [right - 1, right]) {
    const at = track.t[i];
    if (at === undefined) continue;
    const away = Math.abs(at - t);
    if (away <= distance) {
      best = i;
      distance = away;
    }
  }
  return best;
}
