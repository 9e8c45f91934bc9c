/** Frames of views of series: charts, newest values, tops, spreads. */
import type { Coverage, SeriesHead, Value } from './core';

export interface ChartPoints {
  s: number;
  t: number[];
  min?: (number | null)[];
  max?: (number | null)[];
  mean?: (number | null)[];
  last?: (number | null)[];
  count?: number[];
  text?: (string | null)[];
}

export interface ChartGap {
  farm: string;
  s?: number | null;
  /** The only cluster concerned, where it is one. */
  cluster?: string | null;
  from: number;
  to: number | null;
  reason: string;
}

export interface ChartFrame {
  full?: boolean;
  now: number;
  /** The width of a bin, ms. */
  bin: number;
  from: number;
  to: number | null;
  series?: SeriesHead[];
  points?: ChartPoints[];
  gaps?: ChartGap[];
  /** Missing by number: nobody knows when that was. */
  unplaced?: {
    farm: string;
    reason: string;
    s?: number | null;
    cluster?: string | null;
    count?: number | null;
  }[];
  coverage?: Coverage;
  loading?: boolean;
  /** Matching series beyond `max_series`. */
  more?: number;
}

export interface LatestFrame {
  full?: boolean;
  now: number;
  series?: SeriesHead[];
  values?: { s: number[]; t: number[]; v: Value[] };
  /** Series whose value does not satisfy the constraint any more. */
  removed?: number[];
  coverage?: Coverage;
  more?: number;
}

export interface TopFrame {
  full?: boolean;
  now: number;
  rows: (SeriesHead & { t: number; v: number | null })[];
  matched: number;
  unit?: string | null;
  /** Why there are no rows: several units have no order. */
  error?: string | null;
  coverage?: Coverage;
}

export interface SpreadFrame {
  full?: boolean;
  now: number;
  unit?: string | null;
  count: number;
  edges: number[];
  counts: number[];
  quantiles: {
    p01: number;
    p05: number;
    p25: number;
    p50: number;
    p75: number;
    p95: number;
    p99: number;
  } | null;
  min: number | null;
  max: number | null;
  mean: number | null;
  /** Why there is nothing: several units do not mix. */
  error?: string | null;
  coverage?: Coverage;
}
