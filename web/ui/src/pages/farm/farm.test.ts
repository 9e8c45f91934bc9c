import { describe, expect, it } from 'vitest';
import { gridFor, ramp, rangeOf, share, summary } from './heat';
import { keyOf, rowsOf, sorted, walk, type Loaded } from './tree';

const child = (name: string) => ({ name, series: 1, live: 1, stale: 0, ended: 0 });
const loaded = (entries: [string[], string[]][]): Map<string, Loaded> =>
  new Map(entries.map(([at, names]) => [keyOf(at), { children: sorted(names.map(child)) }]));

describe('the tree of a farm', () => {
  const tree = loaded([
    [[], ['hosts', 'net']],
    [['hosts'], ['n10', 'n2']],
    [
      ['hosts', 'n2'],
      ['cpu', 'in[a/b]'],
    ],
  ]);
  const open = new Set([keyOf(['hosts']), keyOf(['hosts', 'n2'])]);
  const names = (rows: ReturnType<typeof rowsOf>) => rows.map((row) => row.child.name || row.note);

  it('has the rows that are unfolded', () => {
    expect(names(rowsOf(tree, new Set(), ''))).toEqual(['hosts', 'net']);
    expect(names(rowsOf(tree, open, ''))).toEqual(['hosts', 'n2', 'cpu', 'in[a/b]', 'n10', 'net']);
  });
  it('is narrowed to nodes by name', () => {
    expect(names(rowsOf(tree, open, 'N10'))).toEqual(['hosts', 'n10', 'net']);
  });
  it('says what could not be had, and that there is more', () => {
    const broken = new Map(tree).set(keyOf(['net']), { children: null, error: 'no answer' });
    broken.set('', { children: [child('net')], more: true });
    expect(names(rowsOf(broken, new Set([keyOf(['net'])]), ''))).toEqual([
      'net',
      'no answer',
      'There are more than are shown: search for a name.',
    ]);
  });
  it('is walked as trees are', () => {
    const rows = rowsOf(tree, open, '');
    expect(walk(rows, 0, 'ArrowRight')).toEqual({ to: 1 });
    expect(walk(rows, 0, 'ArrowLeft')).toEqual({ toggle: true });
    expect(walk(rows, 2, 'ArrowLeft')).toEqual({ to: 1 });
    expect(walk(rows, 4, 'ArrowRight')).toEqual({ toggle: true });
    expect(walk(rows, 2, 'ArrowRight')).toBe(null);
    expect(walk(rows, 0, 'End')).toEqual({ to: 5 });
    expect(walk(rows, 0, 'ArrowUp')).toEqual({ to: 0 });
    expect(walk([], 0, 'ArrowDown')).toBe(null);
  });
  it('holds ten thousand nodes in a moment', () => {
    const many = loaded([
      [[], ['hosts']],
      [['hosts'], Array.from({ length: 10_000 }, (_, n) => `n${n}`)],
    ]);
    expect(rowsOf(many, new Set([keyOf(['hosts'])]), '')).toHaveLength(10_001);
  });
});

describe('the heat map', () => {
  it('has room for all cells, as large as fits', () => {
    for (const count of [1, 24, 600, 10_000]) {
      const grid = gridFor(count, 900, 420);
      expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
      expect(grid.columns * grid.size).toBeLessThanOrEqual(900);
      if (count <= 600) expect(grid.rows * grid.size).toBeLessThanOrEqual(420);
    }
    expect(gridFor(0, 900, 420).rows).toBe(0);
    expect(gridFor(5, 0, 0).rows).toBe(0);
  });
  it('has a scale that one wild value does not spoil', () => {
    expect(rangeOf([0.2, 0.4], '1')).toEqual({ low: 0, high: 1 });
    const range = rangeOf([...Array.from({ length: 99 }, (_, n) => n), 1e9], 'By');
    expect(range.high).toBeLessThan(100);
    expect(rangeOf([5, 5, 5], '').low).toBeLessThan(5);
    expect(share(1e9, range)).toBe(1);
    expect(share(-5, range)).toBe(0);
  });
  it('mixes colours between those given', () => {
    expect(ramp(['#000000', '#ffffff'], 3)).toEqual(['rgb(0 0 0)', 'rgb(128 128 128)', 'rgb(255 255 255)']);
  });
  it('is told in words', () => {
    expect(summary([3, null, 1, 2])).toEqual({ count: 4, silent: 1, low: 1, median: 2, high: 3 });
    expect(summary([null])).toEqual({ count: 1, silent: 1, low: null, median: null, high: null });
  });
});
