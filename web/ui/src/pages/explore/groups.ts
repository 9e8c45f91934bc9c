/** Which series stand on which chart. Never two units on one, and never states among numbers. */
import { unitName, unitOf } from '../../lib/format/units';
import type { ChartStore, Track } from '../../lib/chart/store';
import { clean } from '../../lib/format/text';
import { count } from '../../lib/format/time';
import { labelText, namesOf } from '../../lib/chart/names';

export type Layout = 'together' | 'node' | 'each';
export const LAYOUTS: { id: Layout; label: string }[] = [
  { id: 'together', label: 'Together' },
  { id: 'node', label: 'By node' },
  { id: 'each', label: 'Each' },
];

export interface Group {
  key: string;
  /** Clean text. */
  title: string;
  /** Indices of its series within the view. */
  series: Set<number>;
  unit: string;
  /** What its axis has: the unit in words, or states, or texts. */
  word: string;
}

/** Tracks in groups, in the order in which their first series stands. */
export function groupsOf(tracks: Iterable<Track>, layout: Layout): Group[] {
  const all = [...tracks];
  const members = new Map<string, Track[]>();
  for (const track of all) {
    const { head } = track;
    const stepped = head.kind === 'state' || head.kind === 'text';
    const sort = stepped ? `state ${head.parameter}` : `unit ${unitOf(head)}`;
    const place =
      layout === 'each'
        ? String(head.s)
        : layout === 'node'
          ? `${head.farm}\0${head.cluster}\0${head.node}`
          : '';
    const key = `${place}\0${sort}`;
    const known = members.get(key);
    if (known) known.push(track);
    else members.set(key, [track]);
  }
  const each = layout === 'each' ? namesOf(all.map((track) => track.head)) : null;
  let at = 0;
  return [...members].map(([key, group]) => {
    const { head } = group[0]!;
    const unit = unitOf(head);
    const title =
      layout === 'each'
        ? (each?.names[at++] ?? '')
        : layout === 'node'
          ? clean(`${head.farm} / ${head.cluster} / ${head.node}`)
          : titleOf(group);
    return {
      key,
      title,
      series: new Set(group.map((track) => track.head.s)),
      unit,
      word: head.kind === 'state' ? 'states' : head.kind === 'text' ? 'texts' : unitName(unit),
    };
  });
}

/** The parameters of a group, or how many there are. */
function titleOf(group: Track[]): string {
  const names = [...new Set(group.map(({ head }) => head.parameter))];
  if (group.length === 1) return clean(group[0]!.head.parameter + labelText(group[0]!.head.labels));
  return names.length <= 3 ? clean(names.join(', ')) : `${names.length} parameters`;
}

/** What of a group is missing though nobody knows when it was: by farm and reason, with how many samples where that is known. */
export function lostOf(group: Group, store: ChartStore, unplaced: ChartStore['unplaced']): string {
  const heads = [...group.series].flatMap((s) => store.tracks.get(s)?.head ?? []);
  const lost = new Map<string, number>();
  for (const one of unplaced) {
    const concerned = heads.some(
      ({ s, farm, cluster }) =>
        farm === one.farm &&
        (one.s === undefined || one.s === null || one.s === s) &&
        (!one.cluster || one.cluster === cluster),
    );
    if (!concerned) continue;
    const what = `${one.cluster ? `${one.farm}/${one.cluster}` : one.farm}, ${one.reason}`;
    lost.set(what, (lost.get(what) ?? 0) + (one.count ?? 0));
  }
  return [...lost]
    .map(([what, samples]) => clean(samples > 0 ? `${what} (${count(samples, 'sample')})` : what))
    .join('; ');
}
