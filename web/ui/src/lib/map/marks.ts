/** Farms on a map as marks: those too near to tell apart are one mark with a count. Pure; pixels in, marks out. */

import type { Farm, GoneFarm, Level } from '../api/types';

export interface Placed {
  id: string;
  name: string;
  level: Level;
  x: number;
  y: number;
}

export interface Mark<P extends Placed> {
  key: string;
  x: number;
  y: number;
  /** Of the worst in it. */
  level: Level;
  members: P[];
}

const ORDER: Record<Level, number> = { critical: 0, warning: 1, unknown: 2, info: 3, ok: 4 };

/** Worse first. */
export function bySeverity(a: Level, b: Level): number {
  return ORDER[a] - ORDER[b];
}

/** What a farm that left counts as: lost is critical, one that said so is not. */
export function levelOfGone(one: GoneFarm): Level {
  return one.why === 'expired' ? 'critical' : 'unknown';
}

/** Has it a place that is one? */
export function placeOf(farm: Farm): { lat: number; lon: number } | null {
  const place = farm.place;
  if (!place || !Number.isFinite(place.lat) || !Number.isFinite(place.lon)) return null;
  return Math.abs(place.lat) <= 90 && Math.abs(place.lon) <= 180 ? place : null;
}

/** Joins what is within `radius` pixels of a worse one. The same farms give the same marks, in the same order. */
export function joined<P extends Placed>(placed: P[], radius: number): Mark<P>[] {
  const sorted = [...placed].sort((a, b) => bySeverity(a.level, b.level) || (a.id < b.id ? -1 : 1));
  const cells = new Map<string, Mark<P>[]>();
  const marks: Mark<P>[] = [];
  for (const one of sorted) {
    const [cx, cy] = [Math.floor(one.x / radius), Math.floor(one.y / radius)];
    const near = nearest(cells, one, cx, cy, radius);
    if (near) {
      near.members.push(one);
      continue;
    }
    const mark: Mark<P> = { key: one.id, x: one.x, y: one.y, level: one.level, members: [one] };
    marks.push(mark);
    const cell = cells.get(`${cx} ${cy}`);
    if (cell) cell.push(mark);
    else cells.set(`${cx} ${cy}`, [mark]);
  }
  return marks;
}

function nearest<P extends Placed>(
  cells: Map<string, Mark<P>[]>,
  one: P,
  cx: number,
  cy: number,
  radius: number,
): Mark<P> | null {
  let best: Mark<P> | null = null;
  let distance = radius;
  for (let x = cx - 1; x <= cx + 1; x++)
    for (let y = cy - 1; y <= cy + 1; y++)
      for (const mark of cells.get(`${x} ${y}`) ?? []) {
        const away = Math.hypot(mark.x - one.x, mark.y - one.y);
        if (away < distance) [best, distance] = [mark, away];
      }
  return best;
}

const DIRECTIONS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The mark that an arrow key leads to: near, and rather straight than aside. */
export function towards<P extends Placed>(marks: Mark<P>[], from: Mark<P>, key: string): Mark<P> | null {
  const way = DIRECTIONS[key];
  if (!way) return null;
  let best: Mark<P> | null = null;
  let cost = Infinity;
  for (const mark of marks) {
    if (mark === from) continue;
    const [dx, dy] = [mark.x - from.x, mark.y - from.y];
    const along = dx * way[0] + dy * way[1];
    if (along <= 0.5) continue;
    const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    const price = along + 2.5 * aside;
    if (price < cost) [best, cost] = [mark, price];
  }
  return best;
}
