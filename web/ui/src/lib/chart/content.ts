/** From a store to what a plot shows: which tracks, in which strokes, with the same of an earlier time behind them. */
import type { ChartGap } from '../api/types';
import { unitOf } from '../format/units';
import { colorOf } from './look';
import { dashOf } from './palette';
import type { Content, Line } from './plot';
import type { ChartStore, Track } from './store';

/** The same series so long ago, which is laid behind. */
export interface Past {
  store: ChartStore;
  /** How long ago, ms. */
  shift: number;
  /** In words: `1 d earlier`. */
  word: string;
}

/** Strokes of what was earlier. */
const EARLIER = [2, 3];

export function unitsOf(of: readonly Track[]): string[] {
  const [first] = of;
  if (first && of.length === 1) return [unitOf(first.head)];
  return [...new Set(of.map((track) => unitOf(track.head)))];
}

export function isStepped(of: readonly Track[]): boolean {
  return of.length > 0 && of.every(({ head }) => head.kind === 'state' || head.kind === 'text');
}

interface Shifted {
  version: number;
  shift: number;
  tracks: Map<string, Track>;
  gaps: ChartGap[];
}
const shifted = new WeakMap<ChartStore, Shifted>();

/** Tracks of an earlier time by their paths, at the time at which they would be now. Worked out once for each frame. */
export function earlier({ store, shift }: Past): Shifted {
  const known = shifted.get(store);
  if (known && known.version === store.version && known.shift === shift) return known;
  const tracks = new Map<string, Track>();
  for (const track of store.tracks.values())
    tracks.set(track.head.path, { ...track, t: track.t.map((t) => t + shift) });
  const gaps = store.gaps.map((gap) => ({
    ...gap,
    from: gap.from + shift,
    to: gap.to === null ? null : gap.to + shift,
  }));
  const made = { version: store.version, shift, tracks, gaps };
  shifted.set(store, made);
  return made;
}

export interface Choice {
  store: ChartStore;
  tracks: readonly Track[];
  /** Paths that are not drawn. */
  hidden: ReadonlySet<string>;
  focus: Track | null;
  past: Past | null | undefined;
  /** The server's clock. */
  now: number;
}

export function contentOf({ store, tracks, hidden, focus, past, now }: Choice): Content {
  const stepped = isStepped(tracks);
  const shown = tracks
    .map((track, index): Line => ({ track, color: colorOf(index), dash: dashOf(index) }))
    .filter(({ track }) => !hidden.has(track.head.path));
  // Steps of two times on one another tell nothing.
  const before = past && !stepped ? earlier(past) : null;
  const behind = before
    ? shown.flatMap(({ track, color }): Line[] => {
        const was = before.tracks.get(track.head.path);
        return was ? [{ track: was, color, dash: EARLIER, gaps: before.gaps, of: track }] : [];
      })
    : [];
  return {
    lines: [...behind, ...shown],
    gaps: store.gaps,
    bin: store.bin,
    window: store.window(now),
    unit: unitsOf(tracks)[0] ?? '',
    stepped,
    focus,
  };
}
