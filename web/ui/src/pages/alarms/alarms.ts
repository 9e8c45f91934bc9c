/** What a view of alarms has told so far, and how it is shown: pure. */

import type { Alarm, AlarmsFrame, Coverage, Level, Silence } from '../../lib/api/types';
import { bySeverity } from '../../lib/map/marks';

export interface AlarmsState {
  alarms: Map<string, Alarm>;
  silences: Silence[];
  coverage: Coverage | null;
  now: number;
}

/** The names of fields as the farm's own listing has them, where a view passes them on. */
type Raw = Alarm & { unknown_reason?: string; silence?: number };

function normal(raw: Raw): Alarm {
  return {
    ...raw,
    key: raw.key,
    paths: raw.paths ?? [],
    unknown_because: raw.unknown_because ?? raw.unknown_reason ?? null,
    silenced: raw.silenced ?? raw.silence ?? null,
  };
}

export function apply(before: AlarmsState | null, frame: AlarmsFrame): AlarmsState {
  const alarms = new Map(frame.full || !before ? [] : before.alarms);
  for (const raw of frame.alarms ?? []) alarms.set(raw.key, normal(raw));
  for (const key of frame.removed ?? []) alarms.delete(key);
  return {
    alarms,
    silences: frame.silences ?? (frame.full ? [] : (before?.silences ?? [])),
    coverage: frame.coverage ?? (frame.full ? null : (before?.coverage ?? null)),
    now: frame.now,
  };
}

/** A farm whose lease ran out: the mesh's own alarm. */
export const isLost = (alarm: Alarm): boolean => alarm.deployment === '';

/** The level that it counts as: what is over is ok. */
export const levelOf = (alarm: Alarm): Level => (alarm.cleared ? 'ok' : alarm.level);

/** The worst first; of those, what nobody has taken on; of those, the newest. */
export function order(a: Alarm, b: Alarm): number {
  return (
    bySeverity(levelOf(a), levelOf(b)) ||
    Number(Boolean(a.acknowledged)) - Number(Boolean(b.acknowledged)) ||
    b.since - a.since ||
    (a.key < b.key ? -1 : 1)
  );
}

export interface Narrowing {
  words: string[];
  level: Level | null;
  farm: string;
  deployment: string;
  /** Without those that somebody has acknowledged or silenced. */
  fresh: boolean;
}

export function fits(alarm: Alarm, by: Narrowing): boolean {
  if (by.level && levelOf(alarm) !== by.level) return false;
  if (by.farm && alarm.farm !== by.farm) return false;
  if (by.deployment && alarm.deployment !== by.deployment) return false;
  if (by.fresh && (alarm.acknowledged || alarm.silenced || alarm.cleared)) return false;
  if (by.words.length === 0) return true;
  const text = [alarm.text, alarm.farm, alarm.deployment, alarm.name ?? '', alarm.id, ...alarm.paths]
    .join(' ')
    .toLowerCase();
  return by.words.every((word) => text.includes(word));
}

/** Pieces of a runbook: what is plainly a web address may be followed, all else is text. */
export function linked(text: string): { text: string; href: string | null }[] {
  return text
    .split(/(https?:\/\/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+)/)
    .filter((part) => part !== '')
    .map((part) => ({ text: part, href: /^https?:\/\//.test(part) ? part : null }));
}

/** Ends that people choose. */
export const ENDS: { id: string; label: string; ms: number | null }[] = [
  { id: 'none', label: 'until it clears or gets worse', ms: null },
  { id: '1h', label: 'for 1 hour', ms: 3_600_000 },
  { id: '4h', label: 'for 4 hours', ms: 14_400_000 },
  { id: '1d', label: 'for 1 day', ms: 86_400_000 },
  { id: '3d', label: 'for 3 days', ms: 259_200_000 },
  { id: '7d', label: 'for 7 days', ms: 604_800_000 },
];
