import { describe, expect, it } from 'vitest';
import type { Level } from '../api/types';
import { joined, placeOf, towards } from './marks';

const at = (id: string, x: number, y: number, level: Level = 'ok') => ({ id, name: id, level, x, y });

describe('marks', () => {
  it('join what is too near, under the worst of it', () => {
    const marks = joined([at('a', 0, 0), at('b', 5, 0, 'critical'), at('c', 100, 0)], 15);
    expect(marks.map((mark) => [mark.key, mark.level, mark.members.length])).toEqual([
      ['b', 'critical', 2],
      ['c', 'ok', 1],
    ]);
  });
  it('join over the edges of cells, negative ones too', () => {
    expect(joined([at('a', -1, -1), at('b', 1, 1)], 15)).toHaveLength(1);
  });
  it('lose nobody, and are the same for the same farms in any order', () => {
    const farms = Array.from({ length: 400 }, (_, n) =>
      at(`f${n}`, (n * 37) % 301, (n * 53) % 211, n % 7 === 0 ? 'warning' : 'ok'),
    );
    const marks = joined(farms, 15);
    expect(marks.reduce((sum, mark) => sum + mark.members.length, 0)).toBe(400);
    expect(joined([...farms].reverse(), 15)).toEqual(marks);
    for (const one of marks)
      for (const other of marks)
        if (one !== other) expect(Math.hypot(one.x - other.x, one.y - other.y)).toBeGreaterThanOrEqual(15);
  });
  it('are walked by arrows: rather straight on than aside', () => {
    const [middle, right, aside] = [at('m', 0, 0), at('r', 100, 5), at('s', 40, 60)];
    const marks = joined([middle, right, aside], 5);
    const from = marks.find((mark) => mark.key === 'm');
    expect(from && towards(marks, from, 'ArrowRight')?.key).toBe('r');
    expect(from && towards(marks, from, 'ArrowDown')?.key).toBe('s');
    expect(from && towards(marks, from, 'ArrowLeft')).toBe(null);
    expect(from && towards(marks, from, 'x')).toBe(null);
  });
});

describe('a place', () => {
  it('is none where it is not on the earth', () => {
    const farm = (lat: number, lon: number) => placeOf({ place: { lat, lon } } as never);
    expect(farm(46, 6)).toEqual({ lat: 46, lon: 6 });
    for (const wrong of [farm(91, 0), farm(0, 181), farm(Number.NaN, 0)]) expect(wrong).toBe(null);
  });
});
