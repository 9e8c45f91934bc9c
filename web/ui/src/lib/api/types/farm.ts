/** How one farm is, as `/api/v1/farms/{farm}` has it. */
import type { FilterCost } from './filters';

export interface Target {
  node: string;
  address: string;
  up: boolean | null;
  lateness_ms: number;
  duration_ms: number;
  samples: number;
  last_error: string | null;
  last_error_time: number | null;
  last_success_time: number | null;
  probation: boolean;
}

export interface Collector {
  name: string;
  module: string;
  cluster: string;
  period_ms: number;
  runs: number;
  skipped: number;
  timeouts: number;
  targets: Target[];
}

export interface FarmStatus {
  id: string;
  farm: string;
  version: string;
  epoch: string | null;
  number: number;
  committed: number;
  uptime_ms: number;
  series: number;
  subscribers: number;
  collectors: Collector[];
  cache: {
    bytes: number;
    max_bytes: number;
    max_age_ms: number;
    oldest: number | null;
    days: number | null;
    problem: string | null;
  } | null;
  edges: {
    name: string;
    samples: number;
    passed: number;
    held: number;
    conflated: number;
    lost: Record<string, number>;
  }[];
  lookups: { url: string; registered: boolean; lease_remaining_ms: number; last_error: string | null }[];
  config_error: string | null;
  /** What runs there; absent where the farm does not say. */
  filters?:
    | {
        name: string;
        serial: number;
        state: string;
        reason?: string;
        running_serial?: number;
        since: number;
        cost?: FilterCost;
      }[]
    | null;
}
