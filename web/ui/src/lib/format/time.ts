/** Times and durations for people: in the viewer's zone, with UTC at hand. */

import { grouped } from './number';

const two = (n: number) => String(n).padStart(2, '0');

/** `2026-11-22 14:03:07` in the viewer's zone. */
export function local(ms: number): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '?';
  return `${day(at)} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `14:03:07`, with the day where it is not today's. */
export function short(ms: number, now: number = Date.now()): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '?';
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return day(at) === day(new Date(now)) ? time : `${day(at)} ${time.slice(0, 5)}`;
}

/** `2026-11-22 13:03:07 UTC`. */
export function utc(ms: number): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '?';
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** For `<time datetime>`. */
export function iso(ms: number): string {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

const STEPS: [number, string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** A duration in at most two steps: `2 d 4 h`, `3 min 10 s`, `42 s`, `120 ms`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  const sign = ms < 0 ? '−' : '';
  let rest = Math.abs(ms);
  if (rest < 1_000) return `${sign}${Math.round(rest)} ms`;
  rest = Math.round(rest / 1_000) * 1_000;
  for (const [at, [size, word]] of STEPS.entries()) {
    if (rest < size) continue;
    const whole = Math.floor(rest / size);
    const next = STEPS[at + 1];
    const left = next ? Math.floor((rest - whole * size) / next[0]) : 0;
    return `${sign}${whole} ${word}${next && left > 0 ? ` ${left} ${next[1]}` : ''}`;
  }
  return `${sign}${Math.round(rest / 1_000)} s`;
}

/** A duration in one step, for tables: `2 d`, `3 min`, `42 s`. */
export function rough(ms: number): string {
  const size = Math.max(0, ms);
  for (const [step, word] of STEPS) if (size >= step) return `${Math.floor(size / step)} ${word}`;
  return size < 1_000 ? '0 s' : '1 s';
}

/** How long ago, in one step. */
export function ago(ms: number, now: number): string {
  const past = now - ms;
  return past < 1_500 ? 'now' : `${rough(past)} ago`;
}

/** A number of things: `1 farm`, `2,104 farms`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n, 0)} ${n === 1 ? one : many}`;
}
