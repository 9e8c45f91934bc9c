/**
 * Values that are points in time, as `boot_time`: farms give them as gauges in seconds of Unix time, and no unit says so.
 *
 * The rule, which errs towards plain seconds: a gauge in seconds whose name has a word for a point in time, and of it only such
 * values as are seconds of Unix time within this century. A duration of that name (`call_time`) stays a duration.
 */
import type { SeriesHead } from '../api/types';
import { local, utc } from './time';

/** Shown instead of `s` where a series is of points in time. */
export const MOMENT = '@';

const NAMED =
  /(^|_)(time|timestamp|date|epoch|boot|started|created|changed|modified|seen|expires|expiry|expiration|not_after|not_before|last_\w+|at)(_seconds)?$/;
/** 2000 and 2100, seconds of Unix time. */
const [EARLIEST, LATEST] = [946_684_800, 4_102_444_800];

/** May values of this series be points in time? */
export function ofMoments({
  kind,
  as,
  unit,
  parameter,
}: Pick<SeriesHead, 'kind' | 'as' | 'unit' | 'parameter'>): boolean {
  return kind === 'gauge' && as === 'value' && unit === 's' && NAMED.test(parameter);
}

/** Is it one, and not a duration? */
export function isMoment(seconds: number): boolean {
  return seconds >= EARLIEST && seconds < LATEST;
}

/** In the viewer's zone. */
export function momentText(seconds: number): string {
  return local(seconds * 1_000);
}

/** The same in UTC, to be shown on hover; nothing for what is no point in time. */
export function momentTitle(value: unknown, unit: string): string | undefined {
  return unit === MOMENT && typeof value === 'number' && isMoment(value) ? utc(value * 1_000) : undefined;
}
