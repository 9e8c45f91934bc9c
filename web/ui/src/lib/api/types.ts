/**
 * The contract between the server and this page: what `/api/v1` gives, and the frames of its live views.
 * Times are Unix milliseconds. Text in here comes from the mesh, and is never trusted: show it by `<Text>` or as a text node.
 */

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

// ---- Views -------------------------------------------------------------------------------------------------------

export type ViewSpec =
  | {
      kind: 'chart';
      predicate: string;
      /** <= 0: relative to now. */
      from: number;
      /** Absent: live. */
      to?: number;
      pixels: number;
      max_series?: number;
    }
  | { kind: 'latest'; predicate: string; limit?: number }
  | { kind: 'top'; predicate: string; n: number; ascending?: boolean }
  | { kind: 'spread'; predicate: string; bins?: number }
  | { kind: 'mesh'; template?: string }
  | { kind: 'alarms'; cleared?: boolean }
  | { kind: 'lookups' };

export type SpecOf<K extends ViewSpec['kind']> = Extract<ViewSpec, { kind: K }>;

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
  unplaced?: { farm: string; reason: string; cluster?: string | null; count?: number | null }[];
  coverage?: Coverage;
  loading?: boolean;
  /** Matching series beyond `max_series`. */
  more?: number;
}

export type Value = number | string | null;

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

export interface Alarm {
  /** The farm's id and the alarm's. */
  key: string;
  farm: string;
  farm_id?: string;
  id: string;
  /** The filter's key of it, or `farm_lost`. */
  name?: string | null;
  /** Empty: of the mesh itself (a lost farm). */
  deployment: string;
  level: Level;
  level_before?: Level | null;
  text: string;
  value?: number | null;
  unit?: string | null;
  runbook?: string | null;
  paths: string[];
  since: number;
  changed: number;
  confirmed: number;
  cleared?: number | null;
  unknown_because?: string | null;
  acknowledged?: { by: string; comment: string; at?: number | null; until?: number | null } | null;
  /** The number of the silence that covers it. */
  silenced?: number | null;
  version: number;
}

export interface Silence {
  id: number;
  farm: string;
  deployment?: string | null;
  key?: string | null;
  path?: string | null;
  by?: string | null;
  comment?: string | null;
  since?: number | null;
  until: number;
}

export interface AlarmsFrame {
  full?: boolean;
  now: number;
  alarms?: Alarm[];
  removed?: string[];
  silences?: Silence[];
  coverage?: Coverage;
}

export interface LookupsFrame {
  full?: boolean;
  now: number;
  lookups: LookupLine[];
  log?: LogLine[];
}

export interface FrameOf {
  chart: ChartFrame;
  latest: LatestFrame;
  top: TopFrame;
  spread: SpreadFrame;
  mesh: MeshFrame;
  alarms: AlarmsFrame;
  lookups: LookupsFrame;
}

export type ClientMessage = { open: number; view: ViewSpec } | { close: number };
export type ServerMessage = { view: number; frame: unknown } | { view: number; error: string };

// ---- REST --------------------------------------------------------------------------------------------------------

export interface MeshAnswer {
  mesh: { name: string; id: string };
  version: string;
  now: number;
  /** Who this page is, by the session it sent. */
  session: 'reader' | 'changer';
  lookups: { asked: number; answered: number; missing: { url: string; why: string }[] };
}

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

export interface TreeChild {
  name: string;
  series: number;
  nodes?: number | null;
  live: number;
  stale: number;
  ended: number;
  /** Of a parameter: path text of the series, where the answer has it. */
  path?: string | null;
}

export interface TreeAnswer {
  level: 'farm' | 'cluster' | 'node' | 'parameter';
  children: TreeChild[];
  more: boolean | number;
  coverage?: Coverage;
}

export interface SeriesAnswer {
  series: (SeriesHead & { time: number | null; value: Value; text?: string | null })[];
  more: boolean;
  next?: string | null;
  coverage: Coverage;
}

export interface Candidate {
  /** The whole predicate with it. */
  text: string;
  label: string;
  kind: 'farm' | 'cluster' | 'node' | 'parameter' | 'label' | 'word';
  count?: number | null;
}

export interface CompleteAnswer {
  candidates: Candidate[];
  problem?: { at: number; message: string } | null;
}

export interface AlarmWhy {
  alarm?: Alarm;
  filter?: string | null;
  filter_version?: string | null;
  parameters?: unknown;
  steps?: { time: number; from: Level | ''; to: Level; text: string; value?: number | null }[];
  samples?: { path: string; unit?: string | null; time: number; value: Value; text?: string | null }[];
}

export interface FilterCost {
  [name: string]: number | string | null | undefined;
}

export interface DeployedAt {
  farm: string;
  id?: string | null;
  state: string;
  reason?: string | null;
  running_serial?: number | null;
  since?: number | null;
  cost?: FilterCost | null;
}

export interface Deployment {
  name: string;
  owner: string;
  serial: number;
  component: { digest: string; name?: string | null; version?: string | null };
  parameters?: unknown;
  template?: string | null;
  until?: number | null;
  grants: string[];
  description?: string | null;
  farms: DeployedAt[];
}

export interface ShippedFilter {
  name: string;
  version?: string | null;
  description: string;
  wants?: string[];
}

export interface ComponentAnswer {
  digest: string;
  bytes: number;
  name: string;
  version: string;
  description: string;
  wants: string[];
}

export interface DescribeAnswer {
  /** JSON Schema of its parameters. */
  schema: unknown;
  predicates: string[];
  look_back?: number | null;
  tick?: number | null;
  wants?: string[];
}

export interface FilterLog {
  farm: string;
  time: number;
  level: string;
  text: string;
  of_farm?: boolean;
}

export interface SavedView {
  name: string;
  title: string;
  page: string;
  state: Record<string, unknown>;
  saved: number;
  /** A file that is broken says so. */
  error?: string | null;
}

export interface ErrorBody {
  error: { code: string; message: string };
}
