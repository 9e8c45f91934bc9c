/** The range of a value axis: what is in the window, with air, and with zero where zero is near enough to belong there. */
import { MOMENT, isMoment } from '../format/moment';
import type { Track } from './store';
import { place } from './store';

/** The least and the greatest value of the tracks within a window, bands included; null where there is none. */
export function extent(tracks: Iterable<Track>, from: number, to: number): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const track of tracks) {
    const end = track.t.length;
    for (let i = Math.max(0, place(track.t, from) - 1); i < end && track.t[i]! <= to; i++) {
      const least = track.min[i]!;
      const most = track.max[i]!;
      if (least < low && least > -Infinity) low = least;
      if (most > high && most < Infinity) high = most;
    }
  }
  return low <= high ? [low, high] : null;
}

/**
 * The range of an axis that holds `extent`. A ratio that stays within 0…1 is never shown beyond it, and starts at zero;
 * other values start at zero where their spread is not small beside their size.
 */
export function axisRange(extent: [number, number] | null, unit: string): [number, number] {
  if (!extent) return [0, 1];
  let [low, high] = extent;
  const ratio = unit === '1' && low >= 0 && high <= 1;
  const spread = high - low;
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (unit === MOMENT && isMoment(high)) {
    // Years since 1970 are no air around a point in time: an hour is.
    const air = Math.max(spread * 0.06, 3_600);
    return [low - air, high + air];
  }
  if (spread === 0) {
    if (low === 0) return [0, unit === '1' ? 0.01 : 1];
    const half = ratio ? Math.max(size * 0.5, 0.001) : size * 0.1;
    low -= half;
    high += half;
  } else {
    const zero = unit !== 'Cel' && unit !== '[degF]' && spread > size * 0.25;
    const air = spread * 0.06;
    if (!(zero && low >= 0)) low -= air;
    else low = 0;
    if (!(zero && high <= 0)) high += air;
    else high = 0;
  }
  if (extent[0] >= 0 && low < 0) low = 0;
  if (extent[1] <= 0 && high > 0) high = 0;
  if (ratio && high > 1) high = 1;
  return [low, high];
}
