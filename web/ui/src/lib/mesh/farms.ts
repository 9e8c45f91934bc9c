/** What a mesh view has told so far: frames applied to a list of farms. Knows neither Svelte nor a socket. */

import type { Farm, GoneFarm, LogLine, LookupLine, MeshFrame, MeshTotals } from '../api/types';

export interface MeshState {
  name: string;
  id: string;
  /** The server's time of the last frame. */
  now: number;
  farms: Map<string, Farm>;
  gone: Map<string, GoneFarm>;
  lookups: LookupLine[];
  log: LogLine[];
  totals: MeshTotals;
}

/** Lines of the log that are kept here. */
export const LOG_LINES = 1_000;
/** How long a farm that left is shown. */
export const GONE_SHOWN_FOR = 3_600_000;

export interface Change {
  lost: GoneFarm[];
  left: GoneFarm[];
  back: Farm[];
  appeared: Farm[];
}

/** The state after a frame, and what of it is worth telling. The state before is not altered. */
export function apply(before: MeshState | null, frame: MeshFrame): { state: MeshState; change: Change } {
  const full = frame.full === true || before === null;
  const farms = new Map(full ? [] : before.farms);
  const gone = new Map(full ? [] : before.gone);
  const change: Change = { lost: [], left: [], back: [], appeared: [] };
  for (const farm of frame.farms ?? []) {
    const was = gone.get(farm.id);
    if (was) gone.delete(farm.id);
    if (!full && was) change.back.push(farm);
    else if (!full && !farms.has(farm.id)) change.appeared.push(farm);
    farms.set(farm.id, farm);
  }
  for (const one of frame.gone ?? []) {
    farms.delete(one.id);
    gone.set(one.id, one);
    if (full) continue;
    if (one.why === 'expired') change.lost.push(one);
    else change.left.push(one);
  }
  for (const id of frame.back ?? []) gone.delete(id);
  for (const [id, one] of gone) if (frame.now - one.t > GONE_SHOWN_FOR) gone.delete(id);
  const mesh = typeof frame.mesh === 'string' ? { name: frame.mesh, id: '' } : frame.mesh;
  const log = full ? (frame.log ?? []) : joined(before.log, frame.log);
  const state: MeshState = {
    name: mesh?.name ?? before?.name ?? '',
    id: mesh?.id ?? before?.id ?? '',
    now: frame.now,
    farms,
    gone,
    lookups: frame.lookups ?? (full ? [] : before.lookups),
    log,
    totals: frame.totals,
  };
  return { state, change };
}

/** The log, newest last, bounded. A line that comes again (the same number) is not told twice. */
export function joined(before: LogLine[], more: LogLine[] | undefined): LogLine[] {
  if (!more || more.length === 0) return before;
  const last = before.at(-1)?.n ?? -1;
  const news = more.filter((line) => line.n === undefined || line.n > last);
  return news.length > 0 ? [...before, ...news].slice(-LOG_LINES) : before;
}
