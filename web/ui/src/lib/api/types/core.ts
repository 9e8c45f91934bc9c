/** Words that all answers share: levels, series, and what an answer covers. */

export type Level = 'ok' | 'info' | 'warning' | 'critical' | 'unknown';

export type Life = 'live' | 'stale' | 'ended';

export type SeriesKind = 'gauge' | 'counter' | 'state' | 'text';

/** What an answer covers, and who is missing from it. */
export interface Coverage {
  as_of?: number | null;
  asked: number;
  answered: number;
  missing: { farm: string; why: string }[];
  /** More farms that are missing than are named. */
  more_missing?: number;
  lookups_missing: { url: string; why: string }[];
  stale_since_ms?: number | null;
  complete: boolean;
}

export interface SeriesHead {
  /** The index within its view. */
  s: number;
  farm: string;
  cluster: string;
  node: string;
  parameter: string;
  labels?: Record<string, string>;
  /** Printable path text, which reads back. */
  path: string;
  unit?: string | null;
  kind: SeriesKind;
  as: 'value' | 'rate';
  life: Life;
  reason?: string | null;
  /** Milliseconds between samples, as expected. */
  interval?: number | null;
}

export type Value = number | string | null;

export interface ErrorBody {
  error: { code: string; message: string };
}
