import { describe, expect, it } from 'vitest';
import type { Alarm } from '../../lib/api/types';
import { apply, fits, linked, order } from './alarms';

const alarm = (key: string, more: Partial<Alarm> = {}): Alarm => ({
  key,
  farm: 'f',
  id: key,
  deployment: 'd',
  level: 'warning',
  text: 't',
  paths: [],
  since: 1,
  changed: 1,
  confirmed: 1,
  version: 1,
  ...more,
});
const by = { words: [], level: null, farm: '', deployment: '', fresh: false };

describe('a view of alarms', () => {
  it('is the sum of its frames', () => {
    let state = apply(null, { full: true, now: 1, alarms: [alarm('a'), alarm('b')], silences: [] });
    state = apply(state, { now: 2, alarms: [alarm('a', { level: 'critical' })], removed: ['b', 'z'] });
    expect([...state.alarms.values()].map((one) => [one.key, one.level])).toEqual([['a', 'critical']]);
    expect(apply(state, { full: true, now: 3 }).alarms.size).toBe(0);
  });
  it('takes the names that a farm gives its fields', () => {
    const raw = { ...alarm('a', { level: 'unknown' }), unknown_reason: 'its source is silent', silence: 3 };
    const [one] = apply(null, { full: true, now: 1, alarms: [raw] }).alarms.values();
    expect([one?.unknown_because, one?.silenced]).toEqual(['its source is silent', 3]);
  });
  it('has the worst first, of those what nobody has taken on', () => {
    const acknowledged = { by: 'ann', comment: '' };
    const list = [
      alarm('ok', { cleared: 5 }),
      alarm('old'),
      alarm('new', { since: 9 }),
      alarm('had', { acknowledged, since: 99 }),
      alarm('bad', { level: 'critical' }),
    ];
    expect(list.sort(order).map((one) => one.key)).toEqual(['bad', 'new', 'old', 'had', 'ok']);
  });
  it('is narrowed', () => {
    expect(fits(alarm('a', { text: 'disk full', farm: 'oak' }), { ...by, words: ['disk', 'oak'] })).toBe(
      true,
    );
    expect(fits(alarm('a'), { ...by, level: 'critical' })).toBe(false);
    expect(fits(alarm('a', { silenced: 1 }), { ...by, fresh: true })).toBe(false);
  });
});

describe('a runbook', () => {
  it('has links for web addresses only', () => {
    expect(linked('see https://x.org/a?b=1 or javascript:alert(1)')).toEqual([
      { text: 'see ', href: null },
      { text: 'https://x.org/a?b=1', href: 'https://x.org/a?b=1' },
      { text: ' or javascript:alert(1)', href: null },
    ]);
    expect(linked('HTTPS"onclick=')).toEqual([{ text: 'HTTPS"onclick=', href: null }]);
  });
});
