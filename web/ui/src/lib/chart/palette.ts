/**
 * Strokes of series: the eight colours of the design system in order, then the same with dashes. Never the colours that mean a
 * level.
 */

export const COLORS = 8;
const DASHES: number[][] = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

/** The token of the colour of series number `index` of a chart. */
export function tokenOf(index: number): string {
  return `--series-${(index % COLORS) + 1}`;
}

/** Its dash in CSS pixels; empty: a whole line. */
export function dashOf(index: number): number[] {
  return DASHES[Math.floor(index / COLORS) % DASHES.length] ?? [];
}
