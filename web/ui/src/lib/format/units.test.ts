import { describe, expect, it } from 'vitest';
import { timeTexts } from './ticks';
import { axisRange } from '../chart/range';
import { momentTitle } from './moment';
import { grouped, inScale, increments, scaleFor, shownUnit, tickTexts, unitOf, withUnit } from './units';

const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('units', () => {
  it.each([
    [0, 'By', '0 B'],
    [512, 'By', '512 B'],
    [1536, 'By', '1.50 KiB'],
    [1.5 * 2 ** 30, 'By', '1.50 GiB'],
    [1536, 'By/s', '1.54 kB/s'],
    [125e6, 'By/s', '125 MB/s'],
    [0.372, '1', '37.2 %'],
    [1, '1', '100 %'],
    [0.00042, '1', '0.042 %'],
    [-0.05, '1', '−5 %'],
    [0.25, 's', '250 ms'],
    [0.0000031, 's', '3.10 µs'],
    [90, 's', '1.50 min'],
    [7200, 's', '2 h'],
    [259200, 's', '3 d'],
    [42.5, 'Cel', '42.5 °C'],
    [2.4e9, 'Hz', '2.40 GHz'],
    [1234, '', '1234'],
    [12345, '', '12.3 k'],
    [0.5, '/s', '0.50 /s'],
    [1e10, 'bit/s', '10 Gbit/s'],
    [230, 'V', '230 V'],
    [0.012, 'A', '12 mA'],
    [-61, 'dB[mW]', '−61 dBm'],
    [3, 'furlong', '3 furlong'],
    [88, '%', '88 %'],
    [0, '', '0'],
    [999.7, 'By/s', '1.00 kB/s'],
  ])('%d %s reads %s', (value, unit, text) => {
    expect(plain(withUnit(value, unit))).toBe(text);
  });

  it('what is no number is a dash', () => {
    expect(withUnit(null, 'By')).toBe('–');
    expect(withUnit(NaN, 'By')).toBe('–');
    expect(withUnit(Infinity, 'By')).toBe('∞');
  });

  it('rates are per second, and seconds per second a ratio', () => {
    expect(shownUnit('By', 'rate')).toBe('By/s');
    expect(shownUnit('By/s', 'rate')).toBe('By/s');
    expect(shownUnit('s', 'rate')).toBe('1');
    expect(shownUnit('s/s', 'rate')).toBe('1');
    expect(shownUnit(null, 'rate')).toBe('/s');
    expect(shownUnit('{packets}', 'rate')).toBe('/s');
    expect(shownUnit('s', 'value')).toBe('s');
  });

  it('thousands are set apart, and nothing is minus zero', () => {
    expect(plain(grouped(1234567.5, 1))).toBe('1 234 567.5');
    expect(grouped(-0.001, 1)).toBe('0.0');
  });

  it('the ticks of one axis have one scale and as few digits as tell them apart', () => {
    const scale = scaleFor('By', 1.5 * 2 ** 30);
    expect(tickTexts([0, 2 ** 29, 2 ** 30], scale).map(plain)).toEqual(['0.0 GiB', '0.5 GiB', '1.0 GiB']);
    expect(tickTexts([0, 0.2, 0.4], scaleFor('1', 0.4)).map(plain)).toEqual(['0 %', '20 %', '40 %']);
  });

  it('steps of an axis are round in its scale, and rise', () => {
    for (const unit of ['By', '1', 's', 'By/s', ''])
      for (const size of [1e-6, 0.3, 90, 5000, 1e6, 1e12]) {
        const steps = increments(unit, scaleFor(unit, size));
        expect(steps.every((step, index) => index === 0 || step > steps[index - 1]!)).toBe(true);
      }
    expect(increments('s', scaleFor('s', 7200))).toContain(3600);
    expect(increments('By', scaleFor('By', 2 ** 31))).toContain(2 ** 30);
  });
});

describe('times of an axis', () => {
  const at = (year: number, month: number, day: number) => new Date(year, month, day).getTime();
  it('say the day where one begins', () => {
    const midnight = new Date(2026, 10, 22, 0, 0, 0).getTime();
    expect(timeTexts([midnight - 3_600_000, midnight, midnight + 3_600_000], 3_600_000)).toEqual([
      '23:00',
      '22 Nov',
      '01:00',
    ]);
  });

  it('are as fine as their steps', () => {
    const noon = new Date(2026, 10, 22, 12, 0, 5).getTime();
    expect(timeTexts([noon], 5_000)).toEqual(['12:00:05']);
    expect(timeTexts([noon + 250], 250)).toEqual(['00:05.250']);
    expect(timeTexts([at(2026, 0, 1)], 31 * 86_400_000)).toEqual(['2026']);
    expect(timeTexts([at(2026, 3, 1)], 31 * 86_400_000)).toEqual(['Apr']);
  });
});

describe('points in time', () => {
  const boot = { kind: 'gauge', as: 'value', unit: 's', parameter: 'boot_time' } as const;
  const seconds = new Date(2026, 10, 20, 12, 5, 21).getTime() / 1000;

  it('are gauges in seconds that are named so', () => {
    expect(unitOf(boot)).toBe('@');
    expect(unitOf({ ...boot, parameter: 'certificate_not_after' })).toBe('@');
    expect(unitOf({ ...boot, parameter: 'process_start_time_seconds' })).toBe('@');
    expect(unitOf({ ...boot, parameter: 'uptime' })).toBe('s');
    expect(unitOf({ ...boot, parameter: 'io_busy_time', kind: 'counter', as: 'rate' })).toBe('1');
    expect(unitOf({ ...boot, unit: 'ms' })).toBe('ms');
  });
  it('are shown as a date, with UTC at hand; a duration of such a name stays one', () => {
    expect(withUnit(seconds, '@')).toBe('2026-11-20 12:05:21');
    expect(momentTitle(seconds, '@')).toMatch(/^2026-11-\d\d \d\d:\d\d:21 UTC$/);
    expect(plain(withUnit(0.012, '@'))).toBe('12 ms');
    expect(momentTitle(0.012, '@')).toBeUndefined();
    expect(inScale(seconds, scaleFor('@', seconds))).toBe('2026-11-20 12:05:21');
  });
  it('which nothing calls so are plain seconds, not tens of thousands of days', () => {
    expect(plain(withUnit(1_795_172_321, 's'))).toBe('1 795 172 321 s');
    expect(plain(withUnit(864_000, 's'))).toBe('10 d');
  });
  it('have an axis around them', () => {
    expect(axisRange([seconds, seconds], '@')).toEqual([seconds - 3600, seconds + 3600]);
    const scale = scaleFor('@', seconds);
    expect(tickTexts([seconds, seconds + 3600], scale)).toEqual(['12:05', '13:05']);
  });
});
