/** Frames of the mesh and of its lookups. */
import type { Coverage, Level } from './core';

export type FarmState = 'live' | 'suspect' | 'unconfirmed' | 'stale';

export interface AlarmCounts {
  critical: number;
  warning: number;
  info: number;
  unknown: number;
  acknowledged?: number;
}

export interface Farm {
  id: string;
  /** As it is shown: `name~id8` where several have the name. */
  name: string;
  state: FarmState;
  /** Of its worst open alarm. */
  level: Level;
  alarms: AlarmCounts;
  groups: string[];
  attributes: Record<string, string>;
  place?: { lat: number; lon: number } | null;
  endpoints: string[];
  version: string;
  description?: string | null;
  lookups: string[];
  rivals?: number;
  copy?: string[] | null;
  why?: string | null;
  since: number;
}

export type GoneWhy = 'cancelled' | 'expired' | 'unmatched';

export interface GoneFarm {
  id: string;
  name: string;
  why: GoneWhy;
  t: number;
  farm: Farm;
}

export interface LogLine {
  /** Its number, rising. */
  n?: number;
  t: number;
  what:
    | 'appeared'
    | 'changed'
    | 'renamed'
    | 'state'
    | 'gone'
    | 'lookup_reached'
    | 'lookup_lost'
    | 'lookup_suspects'
    | 'lookup_trusts';
  kind: string;
  name: string;
  id?: string | null;
  detail?: string | null;
}

export interface LookupLine {
  url: string;
  id?: string | null;
  name?: string | null;
  answers: boolean;
  why?: string | null;
  leases?: number | null;
  overdue?: number | null;
  unconfirmed?: number | null;
  suspects?: boolean | number | null;
  renewals_per_second?: number | null;
  watchers?: number | null;
  version?: string | null;
  /** Since when it runs. */
  up_since?: number | null;
}

export interface MeshTotals {
  farms: number;
  live: number;
  suspect: number;
  unconfirmed: number;
  stale: number;
  gone: number;
  alarms: AlarmCounts;
}

export interface MeshFrame {
  full?: boolean;
  now: number;
  mesh: { name: string; id: string } | string;
  farms?: Farm[];
  gone?: GoneFarm[];
  back?: string[];
  log?: LogLine[];
  lookups?: LookupLine[];
  totals: MeshTotals;
  coverage?: Coverage;
}

export interface LookupsFrame {
  full?: boolean;
  now: number;
  lookups: LookupLine[];
  log?: LogLine[];
}
