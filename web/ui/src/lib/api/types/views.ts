/** What may be asked of the live views, and what goes over their socket. */
import type { AlarmsFrame } from './alarms';
import type { ChartFrame, LatestFrame, SpreadFrame, TopFrame } from './charts';
import type { LookupsFrame, MeshFrame } from './mesh';

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
