/**
 * Units for people: UCUM base units scaled to what reads well.
 *
 * Amounts of bytes are binary (`KiB`, as `df -h` and `free` show them), rates of bytes are decimal (`kB/s`, as networks are
 * sold). Ratios are percent. This module never converts between units that measure different things.
 */

import type { SeriesHead } from '../api/types';
import { MOMENT, isMoment, momentText, ofMoments } from './moment';
import { NARROW, digitsFor, grouped } from './number';
import { timeTexts } from './ticks';

export { digitsFor, grouped };

/** How numbers of one unit are shown: divided by `factor`, followed by `suffix`. */
export interface Scale {
  /** What a value in the base unit is divided by. */
  factor: number;
  /** What stands behind the number: `MiB/s`, `%`, or nothing. */
  suffix: string;
  /** Seconds of Unix time, shown as local times. */
  moment?: boolean;
}

type Step = [factor: number, prefix: string];

const DECIMAL: Step[] = [
  [1e-9, 'n'],
  [1e-6, 'µ'],
  [1e-3, 'm'],
  [1, ''],
  [1e3, 'k'],
  [1e6, 'M'],
  [1e9, 'G'],
  [1e12, 'T'],
  [1e15, 'P'],
  [1e18, 'E'],
];
const UP: Step[] = DECIMAL.filter(([factor]) => factor >= 1);
const BINARY: Step[] = [
  [1, ''],
  [2 ** 10, 'Ki'],
  [2 ** 20, 'Mi'],
  [2 ** 30, 'Gi'],
  [2 ** 40, 'Ti'],
  [2 ** 50, 'Pi'],
  [2 ** 60, 'Ei'],
];
const TIME: [number, string][] = [
  [1e-9, 'ns'],
  [1e-6, 'µs'],
  [1e-3, 'ms'],
  [1, 's'],
  [60, 'min'],
  [3600, 'h'],
  [86400, 'd'],
];

/** Units whose printed form differs from their UCUM code. */
const PRINTED: Record<string, string> = {
  Cel: '°C',
  '[degF]': '°F',
  Ohm: 'Ω',
  deg: '°',
  By: 'B',
  'dB[mW]': 'dBm',
};

/** Units that take decimal prefixes. Everything else unknown is printed as it is. */
const PREFIXED = new Set([
  'Hz',
  'W',
  'V',
  'A',
  'J',
  'Pa',
  'bit',
  'W.h',
  'VA',
  'var',
  'Ohm',
  'F',
  'm',
  'g',
  'lm',
  'lx',
  'N',
]);

/** Units that are printed as they are, whatever the size of the number. */
const PLAIN = new Set(['Cel', '[degF]', 'K', 'deg', 'dB', 'dB[mW]', '%', 'mo', 'a', 'wk']);

/**
 * The unit of what is shown: of a rate that is the base unit per second, and seconds per second are a ratio.
 * A unit that already says `/s` is left as it is.
 */
export function shownUnit(unit: string | null | undefined, as?: string): string {
  const base = (unit ?? '').replace(/\{[^}]*\}/g, '').replace(/^\//, '1/');
  const bare = base === '1/s' ? '/s' : base;
  if (as !== 'rate') return bare;
  if (bare.endsWith('/s')) return bare === 's/s' ? '1' : bare;
  return bare === 's' ? '1' : `${bare === '1' ? '' : bare}/s`;
}

/** The same for a series, some of which are points in time. */
export function unitOf(head: Pick<SeriesHead, 'kind' | 'as' | 'unit' | 'parameter'>): string {
  return ofMoments(head) ? MOMENT : shownUnit(head.unit, head.as);
}

/** More seconds than this are hardly a duration: nobody counts in ten thousands of days. */
const LONGEST = 10_000 * 86_400;

/** The scale that suits numbers up to `largest` (its sign does not matter) of a shown unit. */
export function scaleFor(unit: string, largest: number): Scale {
  const size = Number.isFinite(largest) ? Math.abs(largest) : 0;
  if (unit === '1') return { factor: 0.01, suffix: '%' };
  if (unit === '%') return { factor: 1, suffix: '%' };
  if (unit === MOMENT)
    return isMoment(size) ? { factor: 1, suffix: '', moment: true } : scaleFor('s', largest);
  if (unit === 's' && size >= LONGEST) return { factor: 1, suffix: 's' };
  if (unit === 's') return ofSteps(TIME, size, 1, '');
  const perSecond = unit.endsWith('/s') && unit !== 'm/s';
  const base = perSecond ? unit.slice(0, -2) : unit;
  const tail = perSecond ? '/s' : '';
  if (base === 'By') return perSecond ? ofSteps(UP, size, 1, 'B/s') : ofSteps(BINARY, size, 1, 'B');
  if (base === '') return perSecond ? ofSteps(UP, size, 1, '/s') : ofSteps(UP, size < 1e4 ? 0 : size, 1, '');
  const printed = PRINTED[base] ?? base;
  if (PLAIN.has(base)) return { factor: 1, suffix: printed + tail };
  if (PREFIXED.has(base)) return ofSteps(base === 'bit' ? UP : DECIMAL, size, 1, printed + tail);
  // Of a unit that nobody here knows a prefix might make another one ("m" + "in"): the number alone is shortened.
  const scale = ofSteps(UP, size < 1e4 ? 0 : size, 1, '');
  return {
    factor: scale.factor,
    suffix: scale.factor === 1 ? printed + tail : `${scale.suffix} ${printed}${tail}`,
  };
}

function ofSteps(
  steps: readonly (readonly [number, string])[],
  size: number,
  unitFactor: number,
  tail: string,
): Scale {
  let best = steps.find(([factor]) => factor === 1) ?? steps[0];
  if (size > 0) {
    best = steps[0];
    for (const step of steps) {
      // A hair under the bound: 0.9995 of a step would print as 1000 of the one before.
      if (size >= step[0] * 0.9995) best = step;
    }
  }
  const [factor, prefix] = best ?? [1, ''];
  return { factor: factor * unitFactor, suffix: prefix + tail };
}

/** A value with its unit, scaled by itself: `1.46 GiB`, `37.2 %`, `250 ms`. What is no number reads as a dash. */
export function withUnit(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return inScale(value, scaleFor(unit, value));
}

/** A value in a scale that is given, so that a column of them compares. */
export function inScale(value: number | null | undefined, scale: Scale, digits?: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (scale.moment) return isMoment(value) ? momentText(value) : withUnit(value, 's');
  const scaled = tidy(value / scale.factor);
  const number = grouped(scaled, digits ?? digitsFor(scaled));
  return scale.suffix ? `${number}${NARROW}${scale.suffix}` : number;
}

/** Takes away the noise of a division: 0.1 / 0.01 is 10, not 10.000000000000002. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** The name of an axis in a shown unit: what its numbers are. */
export function unitName(unit: string): string {
  const names: Record<string, string> = {
    '': 'count',
    '1': 'ratio',
    '/s': 'per second',
    s: 'time',
    [MOMENT]: 'points in time',
    By: 'bytes',
    'By/s': 'bytes per second',
  };
  return names[unit] ?? scaleFor(unit, 1).suffix;
}

/** Steps between the ticks of an axis, in the base unit, that make round numbers in its scale. */
export function increments(unit: string, scale: Scale): number[] {
  const steps: number[] = [];
  if (scale.moment)
    return [1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000, 315_360_000];
  if (unit === MOMENT) return increments('s', scale);
  if (unit === 's' && scale.factor >= 60) {
    const per =
      scale.factor === 86400
        ? [0.25, 0.5, 1, 2, 5, 7, 10, 14]
        : scale.factor === 3600
          ? [0.25, 0.5, 1, 2, 3, 4, 6, 12]
          : [0.25, 0.5, 1, 2, 5, 10, 15, 20, 30];
    for (const step of per) steps.push(step * scale.factor);
    for (let size = 50; size < 1e6; size *= 10)
      steps.push(size * scale.factor, 2 * size * scale.factor, 4 * size * scale.factor);
    return steps;
  }
  for (let exponent = -12; exponent <= 21; exponent++) {
    for (const digit of [1, 2, 5]) steps.push(Number(`${digit}e${exponent}`) * scale.factor);
  }
  return steps;
}

/** The texts of an axis's ticks: all in one scale and with the same digits, which are as many as tell neighbours apart. */
export function tickTexts(ticks: readonly number[], scale: Scale): string[] {
  let digits = 0;
  const scaled = ticks.map((tick) => tidy(tick / scale.factor));
  if (scale.moment) {
    const apart = ((ticks[1] ?? 0) - (ticks[0] ?? 0)) * 1_000;
    return timeTexts(
      ticks.map((tick) => tick * 1_000),
      apart,
    );
  }
  const step = scaled.length > 1 ? Math.abs((scaled[1] ?? 0) - (scaled[0] ?? 0)) : 1;
  while (digits < 9 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  return scaled.map((value) => grouped(value, digits) + (scale.suffix ? NARROW + scale.suffix : ''));
}
