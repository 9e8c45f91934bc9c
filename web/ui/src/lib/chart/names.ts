/** How series are called where several stand together: what they have in common is said once, above them. */
import type { SeriesHead } from '../api/types';
import { clean } from '../format/text';

type Part = 'farm' | 'cluster' | 'node' | 'parameter';
const PARTS: Part[] = ['farm', 'cluster', 'node', 'parameter'];

/** Labels as they stand in a path: the item bare, the others with their keys. */
export function labelText(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) return '';
  const item = labels?.item;
  const others = entries.filter(([key]) => key !== 'item').map(([key, value]) => `${key}=${value}`);
  return `[${[...(item === undefined ? [] : [item]), ...others].join(', ')}]`;
}

export interface Named {
  /** What all have in common; empty: nothing. */
  common: string;
  /** What tells each apart, in their order. */
  names: string[];
}

/** Names that tell these series apart, as short as that is possible. */
export function namesOf(heads: readonly SeriesHead[]): Named {
  const [first] = heads;
  if (!first) return { common: '', names: [] };
  const same = (part: Part) => heads.every((head) => head[part] === first[part]);
  const labels = heads.map((head) => labelText(head.labels));
  const sameLabels = labels.every((label) => label === labels[0]);
  if (heads.length === 1)
    return {
      common: `${first.farm} / ${first.cluster} / ${first.node}`,
      names: [clean(first.parameter + labels[0])],
    };
  const apart = PARTS.filter((part) => !same(part));
  const common = PARTS.filter(same).map((part) => first[part]);
  const names = heads.map((head, index) => {
    const label = sameLabels ? '' : (labels[index] ?? '');
    const parts = apart.map((part) => head[part]);
    if (label && !apart.includes('parameter'))
      return parts.length ? `${parts.join(' / ')} ${label}` : label.slice(1, -1);
    return parts.join(' / ') + label || head.parameter;
  });
  return { common: clean(common.join(' / ') + (sameLabels ? labels[0] : '')), names: names.map(clean) };
}
