import { describe, expect, it } from 'vitest';
import type { SeriesHead } from '../../lib/api/types';
import { namesOf } from '../../lib/chart/names';
import { ChartStore, type Track } from '../../lib/chart/store';
import { queryText } from './exports';
import { groupsOf, lostOf } from './groups';
import { chosenRange, DEFAULT, parseRange, parseSpan, printRange, printSpan } from './range';

const query = (text: string) => parseRange(new URLSearchParams(text));

describe('ranges in an address', () => {
  it('spans read back as they are printed', () => {
    for (const text of ['5s', '90s', '5m', '1h30m', '2d', '1w', '8d', '3d12h']) {
      const span = parseSpan(text)!;
      expect(parseSpan(printSpan(span))).toBe(span);
    }
    expect(printSpan(5_400_000)).toBe('1h30m');
    expect(printSpan(8 * 86_400_000)).toBe('8d');
  });

  it('what is said wrongly is the default', () => {
    for (const text of [
      '',
      'from=x',
      'from=-',
      'from=-1y',
      'from=-0s',
      'from=2026-11-22T10:00:00Z&to=2026-11-22T09:00:00Z',
      'from=-99999999w',
    ])
      expect(query(text)).toEqual(DEFAULT);
  });

  it('moments are kept to the millisecond', () => {
    const range = { from: 1_790_000_000_123, to: 1_790_000_900_456 };
    const printed = printRange(range);
    expect(query(`from=${printed.from}&to=${printed.to}`)).toEqual(range);
    expect(printRange(DEFAULT)).toEqual({ from: null, to: null });
  });

  it('a chosen range is in order, long enough, and not past now', () => {
    expect(chosenRange(2_000_000, 1_000_000, 9e9)).toEqual({ from: 1_000_000, to: 2_000_000 });
    expect(chosenRange(100_000, 100_001, 9e9)).toEqual({ from: 97_501, to: 102_501 });
    expect(chosenRange(1_000_000, 2_000_000, 1_500_000)).toEqual({ from: 500_000, to: 1_500_000 });
  });

  it('a query for programs has both ends', () => {
    const text = queryText('*/hosts/*/load1', { from: -60_000 }, Date.parse('2026-11-22T01:00:00Z'), 10_000);
    expect(text).toBe(
      '*/hosts/*/load1 since=2026-11-22T00:59:00.000Z until=2026-11-22T01:00:00.000Z every=10s:mean,min,max',
    );
  });
});

function track(s: number, more: Partial<SeriesHead>): Track {
  const head: SeriesHead = {
    s,
    farm: 'oak',
    cluster: 'hosts',
    node: 'n1',
    parameter: 'load1',
    path: '',
    kind: 'gauge',
    as: 'value',
    life: 'live',
    ...more,
  };
  return { head, t: [], min: [], max: [], mean: [], last: [], count: [], text: [] };
}

describe('groups', () => {
  const tracks = [
    track(0, { parameter: 'in', unit: 'By', as: 'rate', labels: { item: 'eth0' } }),
    track(1, { parameter: 'load1' }),
    track(2, { parameter: 'out', unit: 'By', as: 'rate' }),
    track(3, { parameter: 'link', kind: 'state' }),
    track(4, { parameter: 'in', unit: 'By', as: 'rate', node: 'n2' }),
  ];

  it('no two units share a chart, nor states and numbers', () => {
    expect(groupsOf(tracks, 'together').map(({ title, series }) => [title, [...series]])).toEqual([
      ['in, out', [0, 2, 4]],
      ['load1', [1]],
      ['link', [3]],
    ]);
  });

  it('nodes are apart', () => {
    expect(groupsOf(tracks, 'node').map(({ title, series }) => [title, [...series]])).toEqual([
      ['oak / hosts / n1', [0, 2]],
      ['oak / hosts / n1', [1]],
      ['oak / hosts / n1', [3]],
      ['oak / hosts / n2', [4]],
    ]);
  });

  it('each has its own, named by what tells it apart', () => {
    expect(groupsOf(tracks, 'each').map(({ title }) => title)).toEqual([
      'n1 / in[eth0]',
      'n1 / load1',
      'n1 / out',
      'n1 / link',
      'n2 / in',
    ]);
  });

  it('names are safe to look at', () => {
    const { names } = namesOf(
      [track(0, { node: '<b>\u202e' }), track(1, { node: 'b' })].map(({ head }) => head),
    );
    expect(names[0]).toBe('<b>\\u{202e}');
  });
});

describe('what is missing though nobody knows from when', () => {
  const series = (s: number, farm: string, cluster = 'hosts'): SeriesHead => ({
    s,
    farm,
    cluster,
    node: 'n1',
    parameter: 'load1',
    path: `${farm}/${cluster}/n1/load1`,
    kind: 'gauge',
    as: 'value',
    life: 'live',
  });

  it('is told by the charts that it concerns, samples of a reason together', () => {
    const store = new ChartStore();
    store.apply({
      full: true,
      now: 1_000,
      bin: 1,
      from: 0,
      to: null,
      series: [series(0, 'oak'), series(1, 'ash'), series(2, 'oak', 'net')],
      unplaced: [
        { farm: 'oak', cluster: 'hosts', reason: 'overflow', count: 1_000 },
        { farm: 'oak', cluster: 'hosts', reason: 'overflow', count: 204 },
        { farm: 'elm', reason: 'crash' },
        { farm: 'ash', s: 1, reason: 'lagged' },
      ],
    });
    const group = (...s: number[]) => ({
      ...groupsOf(store.tracks.values(), 'together')[0]!,
      series: new Set(s),
    });
    expect(lostOf(group(0), store, store.unplaced)).toBe('oak/hosts, overflow (1204 samples)');
    expect(lostOf(group(1), store, store.unplaced)).toBe('ash, lagged');
    expect(lostOf(group(2), store, store.unplaced)).toBe('');
    expect(lostOf(group(0, 1), store, store.unplaced)).toContain('; ash, lagged');
  });
});
