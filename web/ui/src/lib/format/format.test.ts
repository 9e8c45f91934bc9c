import { describe, expect, it } from 'vitest';
import { LONGEST, clean, pieces } from './text';
import { ago, count, duration, iso, local, rough, utc } from './time';

describe('text from the mesh', () => {
  it('is left alone where it is harmless', () => {
    for (const text of ['sw-ä1', 'ферма', 'שלום', '日本', '👩‍🔬', '<b>&amp;']) expect(clean(text)).toBe(text);
  });
  it('spells out what would turn, hide or control', () => {
    expect(clean('evil\u202egnp.exe')).toBe('evil\\u{202e}gnp.exe');
    expect(clean('a\u2066b\u2069')).toBe('a\\u{2066}b\\u{2069}');
    expect(clean('one\n\ttwo\u001b[31m\u009b')).toBe('one\\n\\ttwo\\u{1b}[31m\\u{9b}');
    expect(clean('a\u200bb\ufeffc\u00ad')).toBe('a\\u{200b}b\\u{feff}c\\u{ad}');
    expect(clean('x\u{e0041}')).toBe('x\\u{e0041}');
  });
  it('shows half a character as what it is', () => {
    expect(clean('a\ud800b')).toBe('a\\u{d800}b');
    expect(clean('😀')).toBe('😀');
  });
  it('marks the escapes, so that a name which looks like one is told from it', () => {
    expect(pieces('\\u{202e}').some((piece) => piece.escape)).toBe(false);
    expect(pieces('a\u202eb')).toEqual([
      { text: 'a', escape: false },
      { text: '\\u{202e}', escape: true },
      { text: 'b', escape: false },
    ]);
  });
  it('is bounded', () => {
    expect(clean('x'.repeat(100_000)).length).toBe(LONGEST + 1);
  });
  it('may be missing', () => {
    expect(clean(undefined) + clean(null) + clean('')).toBe('');
  });
});

describe('times', () => {
  const at = Date.UTC(2026, 10, 22, 13, 3, 7);
  it('are given in UTC on demand', () => {
    expect(utc(at)).toBe('2026-11-22 13:03:07 UTC');
    expect(iso(at)).toBe('2026-11-22T13:03:07.000Z');
  });
  it('are local elsewhere', () => {
    expect(local(at)).toMatch(/^2026-11-2\d \d\d:\d\d:07$/);
  });
  it('that are none do not throw', () => {
    expect(utc(Number.NaN) + local(1e20) + iso(Number.NaN)).toBe('??');
  });
  it('have durations in two steps', () => {
    expect(duration(0)).toBe('0 ms');
    expect(duration(120)).toBe('120 ms');
    expect(duration(42_000)).toBe('42 s');
    expect(duration(59_700)).toBe('1 min');
    expect(duration(190_000)).toBe('3 min 10 s');
    expect(duration(7_200_000)).toBe('2 h');
    expect(duration(187_200_000)).toBe('2 d 4 h');
    expect(duration(-90_000)).toBe('−1 min 30 s');
  });
  it('have an age in one step', () => {
    expect(rough(187_200_000)).toBe('2 d');
    expect(ago(1_000, 1_400)).toBe('now');
    expect(ago(0, 65_000)).toBe('1 min ago');
    expect(ago(10_000, 0)).toBe('now');
  });
});

describe('counts', () => {
  it('agree with their noun', () => {
    expect([count(0, 'farm'), count(1, 'farm'), count(2104, 'farm')]).toEqual([
      '0 farms',
      '1 farm',
      '2104 farms',
    ]);
  });
});
