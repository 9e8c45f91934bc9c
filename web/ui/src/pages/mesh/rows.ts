/** Which farms the page shows, in which order: pure, so that it can be tested. */

import type { Farm, GoneFarm, Level } from '../../lib/api/types';
import { bySeverity, levelOfGone, placeOf } from '../../lib/map/marks';
import type { MeshState } from '../../lib/mesh/farms';

export interface Row {
  farm: Farm;
  /** It is no more, and why. */
  gone: GoneFarm | null;
  level: Level;
}

/** Narrowings by a click on a total. */
export const NARROW = [
  'critical',
  'warning',
  'info',
  'unknown',
  'ok',
  'doubtful',
  'gone',
  'noplace',
] as const;
export type Narrow = (typeof NARROW)[number];

export function rowsOf(state: MeshState): Row[] {
  const rows: Row[] = [];
  for (const farm of state.farms.values()) rows.push({ farm, gone: null, level: farm.level });
  for (const gone of state.gone.values())
    if (gone.why !== 'unmatched') rows.push({ farm: gone.farm, gone, level: levelOfGone(gone) });
  return rows.sort(
    (a, b) =>
      bySeverity(a.level, b.level) ||
      Number(b.gone !== null) - Number(a.gone !== null) ||
      compare(a.farm.name, b.farm.name),
  );
}

const collator = new Intl.Collator('en', { numeric: true });
function compare(a: string, b: string): number {
  return collator.compare(a, b);
}

/** Every word of what was typed has to be somewhere in it. */
export function fits(row: Row, words: string[]): boolean {
  if (words.length === 0) return true;
  const { farm } = row;
  const text =
    `${farm.name} ${farm.id} ${farm.groups.join(' ')} ${Object.values(farm.attributes).join(' ')} ${farm.version}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export function narrowed(row: Row, by: Narrow | null): boolean {
  switch (by) {
    case null:
      return true;
    case 'doubtful':
      return row.gone === null && row.farm.state !== 'live';
    case 'gone':
      return row.gone !== null;
    case 'noplace':
      return placeOf(row.farm) === null;
    default:
      return row.level === by;
  }
}

export const STATE_WORDS: Record<Farm['state'], string> = {
  live: 'live',
  unconfirmed: 'unconfirmed',
  suspect: 'suspect',
  stale: 'stale',
};

/** What a state means, for people who see it the first time. */
export const STATE_MEANS: Record<Farm['state'], string> = {
  live: 'its lease is being renewed',
  unconfirmed: 'not renewed since the lookup that vouches for it restarted or was lost: probably there',
  suspect: 'its lease is overdue like many others at that lookup: rather the network than the farm',
  stale: 'no lookup answers: this is what was known last',
};

export function goneSentence(one: GoneFarm): string {
  if (one.why === 'expired') return 'lost: its lease ran out';
  if (one.why === 'cancelled') return 'left: it said goodbye';
  return 'no longer matches';
}

/** Where it is, in words. */
export function where(farm: Farm): string {
  const { city, country } = farm.attributes;
  return [city, country].filter(Boolean).join(', ');
}
