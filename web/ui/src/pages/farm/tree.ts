/** The tree of a farm as the rows that are unfolded: pure, so that ten thousand nodes cost an array. */

import type { TreeChild } from '../../lib/api/types';

export type Kind = 'cluster' | 'node' | 'parameter';

export interface Branch {
  /** `['hosts', 'n1']`; the parameter stands last. */
  at: string[];
  kind: Kind;
  child: TreeChild;
}

export interface TreeRow extends Branch {
  key: string;
  depth: number;
  open: boolean;
  loading: boolean;
  /** Instead of children: why there are none, or that there are more. */
  note?: string;
}

export interface Loaded {
  children: TreeChild[] | null;
  error?: string;
  more?: boolean;
}

const KINDS: Kind[] = ['cluster', 'node', 'parameter'];
const collator = new Intl.Collator('en', { numeric: true });

export const keyOf = (at: string[]): string => at.map(encodeURIComponent).join('/');

/** Names in the order people count: n2 before n10. */
export function sorted(children: TreeChild[]): TreeChild[] {
  return [...children].sort((a, b) => collator.compare(a.name, b.name));
}

/** The rows that are in sight: all that is below open ones, narrowed to names with `word` on the level of nodes. */
export function rowsOf(loaded: Map<string, Loaded>, open: Set<string>, word: string): TreeRow[] {
  const rows: TreeRow[] = [];
  const wanted = word.toLowerCase();
  const below = (at: string[]): void => {
    const depth = at.length;
    const kind = KINDS[depth];
    const branch = loaded.get(keyOf(at));
    if (!kind) return;
    const note = (text: string): void =>
      void rows.push({
        at,
        kind,
        child: NOTHING,
        key: `${keyOf(at)}#note`,
        depth,
        open: false,
        loading: false,
        note: text,
      });
    if (!branch) return;
    if (branch.error) return note(branch.error);
    for (const child of branch.children ?? []) {
      const here = [...at, child.name];
      if (wanted && kind === 'node' && !child.name.toLowerCase().includes(wanted)) continue;
      const key = keyOf(here);
      const isOpen = kind !== 'parameter' && open.has(key);
      rows.push({ at: here, kind, child, key, depth, open: isOpen, loading: isOpen && !loaded.has(key) });
      if (isOpen) below(here);
    }
    if (branch.more) note('There are more than are shown: search for a name.');
  };
  below([]);
  return rows;
}

const NOTHING: TreeChild = { name: '', series: 0, live: 0, stale: 0, ended: 0 };

/** The row an arrow key leads to, by the pattern of trees; or what it does to this one. */
export function walk(rows: TreeRow[], at: number, key: string): { to: number } | { toggle: true } | null {
  const row = rows[at];
  if (!row) return rows.length > 0 ? { to: 0 } : null;
  switch (key) {
    case 'ArrowDown':
      return { to: Math.min(rows.length - 1, at + 1) };
    case 'ArrowUp':
      return { to: Math.max(0, at - 1) };
    case 'PageDown':
      return { to: Math.min(rows.length - 1, at + 15) };
    case 'PageUp':
      return { to: Math.max(0, at - 15) };
    case 'Home':
      return { to: 0 };
    case 'End':
      return { to: rows.length - 1 };
    case 'ArrowRight':
      if (row.kind === 'parameter' || row.note) return null;
      return row.open ? { to: Math.min(rows.length - 1, at + 1) } : { toggle: true };
    case 'ArrowLeft': {
      if (row.open) return { toggle: true };
      for (let up = at - 1; up >= 0; up--) if ((rows[up]?.depth ?? 0) < row.depth) return { to: up };
      return null;
    }
    default:
      return null;
  }
}
