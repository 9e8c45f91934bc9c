import { describe, expect, it } from 'vitest';
import type { ChartFrame, SeriesHead } from '../api/types';
import { gapsAt, runsOf } from './breaks';
import { ChartStore, nearest, place, type Track } from './store';

const head = (s: number, more: Partial<SeriesHead> = {}): SeriesHead => ({
  s,
  farm: 'oak',
  cluster: 'hosts',
  node: 'n1',
  parameter: 'load1',
  path: 'oak/hosts/n1/load1',
  kind: 'gauge',
  as: 'value',
  life: 'live',
  ...more,
});
const points = (s: number, t: number[], mean: (number | null)[] = t.map((at) => at / 1000)) => ({
  s,
  t,
  mean,
  min: mean,
  max: mean,
  last: mean,
  count: t.map(() => 1),
});
const NOW = 1_700_000_100_000;
const at = (...seconds: number[]) => seconds.map((second) => NOW + second * 1000);
const frame = (more: Partial<ChartFrame>): ChartFrame => ({
  now: NOW,
  bin: 1000,
  from: NOW - 60_000,
  to: null,
  ...more,
});
const full = (more: Partial<ChartFrame> = {}) =>
  frame({ full: true, series: [head(0)], points: [points(0, at(-3, -2, -1))], ...more });

describe('frames', () => {
  it('a full frame replaces everything that was there', () => {
    const store = new ChartStore();
    store.apply(full({ series: [head(0), head(1)] }));
    store.apply(full({ series: [head(7)], points: [points(7, at(-1))] }));
    expect([...store.tracks.keys()]).toEqual([7]);
    expect(store.tracks.get(7)!.t).toEqual(at(-1));
  });

  it('a difference appends, and what comes again replaces the running bin', () => {
    const store = new ChartStore();
    store.apply(full());
    store.apply(frame({ points: [points(0, at(-1, 0), [42, 43])] }));
    const track = store.tracks.get(0)!;
    expect(track.t).toEqual(at(-3, -2, -1, 0));
    expect(track.mean.slice(2)).toEqual([42, 43]);
    expect(track.min).toHaveLength(4);
  });

  it('a late bin is put where its time is', () => {
    const store = new ChartStore();
    store.apply(full({ points: [points(0, at(-5, -1))] }));
    store.apply(frame({ points: [points(0, at(-3, -8))] }));
    expect(store.tracks.get(0)!.t).toEqual(at(-8, -5, -3, -1));
  });

  it('a head that changes keeps its points', () => {
    const store = new ChartStore();
    store.apply(full());
    store.apply(frame({ series: [head(0, { life: 'stale', reason: 'time-out' })] }));
    expect(store.tracks.get(0)!.head.life).toBe('stale');
    expect(store.tracks.get(0)!.t).toHaveLength(3);
  });

  it('points of a series that nobody named are left out', () => {
    const store = new ChartStore();
    store.apply(full({ points: [points(9, at(-1))] }));
    expect(store.tracks.has(9)).toBe(false);
  });

  it('columns of any length do not move out of step', () => {
    const store = new ChartStore();
    store.apply(full({ points: [{ s: 0, t: at(-2, -1), last: [1] }] }));
    const track = store.tracks.get(0)!;
    expect(track.mean).toEqual([1, NaN]);
    expect(
      new Set(
        [track.t, track.min, track.max, track.mean, track.last, track.count, track.text].map((c) => c.length),
      ),
    ).toEqual(new Set([2]));
  });

  it('a live window moves, and drops what left it', () => {
    const store = new ChartStore();
    store.opened({ from: -60_000 });
    store.apply(full({ points: [points(0, at(...Array.from({ length: 60 }, (_, i) => i - 60)))] }));
    store.apply(frame({ now: NOW + 50_000, from: NOW - 10_000, points: [points(0, at(49))] }));
    expect(store.window()).toEqual([NOW - 10_000, NOW + 50_000]);
    expect(store.window(NOW + 55_000)).toEqual([NOW - 5_000, NOW + 55_000]);
    // One bin before the window stays: the line comes in from the left.
    expect(store.tracks.get(0)!.t[0]).toBe(NOW - 11_000);
  });

  it('a fixed window stands still', () => {
    const store = new ChartStore();
    store.opened({ from: NOW - 60_000, to: NOW - 30_000 });
    store.apply(full({ to: NOW - 30_000 }));
    expect(store.window(NOW + 99_000)).toEqual([NOW - 60_000, NOW - 30_000]);
  });

  it('a new view keeps what is shown until its first frame', () => {
    const store = new ChartStore();
    store.apply(full());
    store.opened({ from: -300_000 });
    expect(store.loading).toBe(true);
    expect(store.tracks.size).toBe(1);
    store.fail('too many series');
    expect([store.loading, store.error]).toEqual([false, 'too many series']);
  });

  it('a gap that is told again is the same gap', () => {
    const store = new ChartStore();
    const gap = { farm: 'oak', from: NOW - 5000, to: null, reason: 'crash' };
    store.apply(full({ gaps: [gap] }));
    store.apply(frame({ gaps: [{ ...gap, to: NOW - 1000 }] }));
    expect(store.gaps).toEqual([{ ...gap, to: NOW - 1000 }]);
  });

  it('texts have no codes: they get them in the order in which they come', () => {
    const store = new ChartStore();
    store.apply(
      full({
        points: [{ s: 0, t: at(-4, -3, -2, -1), text: ['idle', 'busy', null, 'idle'], count: [1, 1, 1, 1] }],
      }),
    );
    expect(store.tracks.get(0)!.last).toEqual([0, 1, NaN, 0]);
  });

  it('what a frame does not say is over: loading, and series beyond', () => {
    const store = new ChartStore();
    store.apply(full({ loading: true, more: 3 }));
    expect([store.loading, store.more]).toEqual([true, 3]);
    store.apply(frame({}));
    expect([store.loading, store.more]).toEqual([false, 0]);
  });

  it('listeners hear of each change until they leave', () => {
    const store = new ChartStore();
    let heard = 0;
    const leave = store.listen(() => heard++);
    store.apply(full());
    leave();
    store.apply(full());
    expect(heard).toBe(1);
  });
});

describe('breaks', () => {
  const track = (t: number[], more: Partial<SeriesHead> = {}, mean?: (number | null)[]) => {
    const store = new ChartStore();
    store.apply(full({ series: [head(0, more)], points: [points(0, t, mean)] }));
    return store.tracks.get(0)!;
  };
  const cut = (...args: Parameters<typeof runsOf>) => runsOf(...args).map(({ begin, end }) => [begin, end]);

  it('neighbours within two and a half bins are joined', () => {
    expect(cut(track(at(-10, -9, -7, -5)), 1000, [])).toEqual([[0, 4]]);
    expect(cut(track(at(-10, -9, -6, -5)), 1000, [])).toEqual([
      [0, 2],
      [2, 4],
    ]);
  });

  it('a series that comes rarely is joined over three of its intervals', () => {
    expect(cut(track(at(-50, -40, -10), { interval: 10_000 }), 1000, [])).toEqual([[0, 3]]);
    expect(cut(track(at(-50, -40, -9), { interval: 10_000 }), 1000, [])).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });

  it('a gap record breaks a line however near the neighbours are', () => {
    const gap = (from: number, to: number | null, more = {}) => ({
      farm: 'oak',
      from: NOW + from,
      to: to === null ? null : NOW + to,
      reason: 'crash',
      ...more,
    });
    const near = track(at(-4, -3, -2, -1));
    expect(cut(near, 1000, [gap(-2900, -2100)])).toEqual([
      [0, 2],
      [2, 4],
    ]);
    expect(cut(near, 1000, [gap(-2900, null)])).toEqual([
      [0, 2],
      [2, 3],
      [3, 4],
    ]);
    expect(cut(near, 1000, [gap(-2900, -2100, { farm: 'elm' })])).toEqual([[0, 4]]);
    expect(cut(near, 1000, [gap(-2900, -2100, { cluster: 'net' })])).toEqual([[0, 4]]);
    expect(cut(near, 1000, [gap(-2900, -2100, { s: 5 })])).toEqual([[0, 4]]);
    expect(cut(near, 1000, [gap(-60_000, -50_000), gap(-1900, -1100), gap(-3900, -3100)])).toEqual([
      [0, 1],
      [1, 3],
      [3, 4],
    ]);
  });

  it('what is no number breaks a line', () => {
    expect(cut(track(at(-4, -3, -2, -1), {}, [1, null, 3, 4]), 1000, [])).toEqual([
      [0, 1],
      [2, 4],
    ]);
    expect(cut(track(at(-1), {}, [null]), 1000, [])).toEqual([]);
  });
});

describe('places', () => {
  it('agree with a plain search', () => {
    const times = [1, 3, 3.5, 9, 20];
    for (let t = 0; t < 22; t += 0.5) {
      const plain = times.findIndex((time) => time >= t);
      expect(place(times, t)).toBe(plain < 0 ? times.length : plain);
    }
  });

  it('the nearest bin is found only within reach', () => {
    const store = new ChartStore();
    store.apply(full({ points: [points(0, at(-10, -6))] }));
    const track = store.tracks.get(0)!;
    expect(nearest(track, NOW - 9000, 1500)).toBe(0);
    expect(nearest(track, NOW - 8000, 1500)).toBe(-1);
    expect(nearest(track, NOW - 6500, 1500)).toBe(1);
    expect(nearest(track, NOW, 10_000)).toBe(1);
  });
});

describe('gaps where one points', () => {
  it('are told with their reason and farms, those of the tracks only', () => {
    const oak = { head: head(0) } as Track;
    const ash = { head: head(1, { farm: 'ash' }) } as Track;
    const [from, to] = [NOW - 9_000, NOW - 5_000];
    const gaps = [
      { farm: 'oak', from, to, reason: 'crash' },
      { farm: 'ash', from, to: null, reason: 'crash' },
      { farm: 'elm', from, to, reason: 'lagged' },
      { farm: 'oak', s: 7, from, to, reason: 'overflow' },
    ];
    expect(gapsAt([oak, ash], gaps, NOW - 7_000)).toEqual(['crash: oak and 1 more']);
    expect(gapsAt([oak], gaps, NOW - 7_000)).toEqual(['crash: oak']);
    expect(gapsAt([oak], gaps, NOW - 1_000)).toEqual([]);
    expect(gapsAt([ash], gaps, NOW)).toEqual(['crash: ash']);
  });
});
