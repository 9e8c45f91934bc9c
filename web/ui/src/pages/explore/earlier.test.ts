import { describe, expect, it } from 'vitest';
import { earlierRange, shiftOf } from './earlier';

const HOUR = 3_600_000;
const NOW = 1_795_000_000_000;

describe('an earlier time', () => {
  it('is what the address says, or the window before', () => {
    expect(shiftOf('', { from: -HOUR }, NOW)).toBeNull();
    expect(shiftOf('1d', { from: -HOUR }, NOW)).toBe(24 * HOUR);
    expect(shiftOf('before', { from: -HOUR }, NOW)).toBe(HOUR);
    expect(shiftOf('before', { from: NOW - 2 * HOUR, to: NOW - HOUR }, NOW)).toBe(HOUR);
    expect(shiftOf('nonsense', { from: -HOUR }, NOW)).toBeNull();
  });
  it('of a window that moves is asked for once in a while, and always holds what is seen', () => {
    const asked = new Set<string>();
    for (let now = NOW; now < NOW + HOUR; now += 1_000) {
      const { from, to } = earlierRange({ from: -HOUR }, 24 * HOUR, now);
      expect(from).toBeLessThanOrEqual(now - 25 * HOUR);
      expect(to).toBeGreaterThanOrEqual(now - 24 * HOUR);
      asked.add(`${from} ${to}`);
    }
    expect(asked.size).toBeLessThanOrEqual(11);
  });
  it('of two moments is these, shifted', () => {
    expect(earlierRange({ from: NOW - HOUR, to: NOW }, HOUR, NOW + 5)).toEqual({
      from: NOW - 2 * HOUR,
      to: NOW - HOUR,
    });
  });
});
