/** Answers about what there is: the mesh, its tree, its series, completions, saved views. */
import type { Coverage, SeriesHead, Value } from './core';

export interface MeshAnswer {
  mesh: { name: string; id: string };
  version: string;
  now: number;
  /** Who this page is, by the session it sent. */
  session: 'reader' | 'changer';
  lookups: { asked: number; answered: number; missing: { url: string; why: string }[] };
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

export interface SavedView {
  name: string;
  title: string;
  page: string;
  state: Record<string, unknown>;
  saved: number;
  /** A file that is broken says so. */
  error?: string | null;
}
