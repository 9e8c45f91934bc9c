/** Alarms and silences, as frames have them; and why an alarm is. */
import type { Coverage, Level, Value } from './core';

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

export interface AlarmWhy {
  alarm?: Alarm;
  filter?: string | null;
  filter_version?: string | null;
  parameters?: unknown;
  steps?: { time: number; from: Level | ''; to: Level; text: string; value?: number | null }[];
  samples?: { path: string; unit?: string | null; time: number; value: Value; text?: string | null }[];
}
