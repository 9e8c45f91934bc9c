/** What Explore shows, as a picture: every chart of it, those that were never scrolled to included. */
import { contentOf, type Past } from '../../lib/chart/content';
import { colorOf } from '../../lib/chart/look';
import { namesOf } from '../../lib/chart/names';
import type { Sheet } from '../../lib/chart/picture';
import type { ChartStore } from '../../lib/chart/store';
import { summary } from '../../lib/chart/summary';
import { valueText } from '../../lib/chart/words';
import { clean } from '../../lib/format/text';
import { duration, local } from '../../lib/format/time';
import { unitOf } from '../../lib/format/units';
import type { Group, Layout } from './groups';

export interface Shown {
  predicate: string;
  store: ChartStore;
  groups: readonly Group[];
  layout: Layout;
  hidden: ReadonlySet<string>;
  past: Past | null;
  /** The server's clock. */
  now: number;
}

/** Sizes of charts by layout, CSS pixels; many are small. */
const SIZES: Record<Layout | 'dense', [width: number, height: number, columns: number]> = {
  together: [1_100, 340, 1],
  node: [420, 180, 3],
  each: [300, 118, 4],
  dense: [210, 80, 8],
};
const DENSE = 60;

export function sheetOf({ predicate, store, groups, layout, hidden, past, now }: Shown): Sheet {
  const all = [...store.tracks.values()];
  const { names, common } = namesOf(all.map((track) => track.head));
  const [from, to] = store.window(now);
  const of = (group: Group) => all.filter((track) => group.series.has(track.head.s));
  const [width, height, columns] = SIZES[layout === 'each' && groups.length > DENSE ? 'dense' : layout];
  const legend = groups.flatMap((group) =>
    of(group).flatMap((track, index) => {
      if (hidden.has(track.head.path)) return [];
      const { last, lastText } = summary(track, from, to);
      const value = valueText(last, lastText, unitOf(track.head));
      return [{ color: colorOf(index), text: `${names[all.indexOf(track)]}  ${value}` }];
    }),
  );
  const notes = [common, `${local(from)} to ${local(to)}`, `bins of ${duration(store.bin)}`];
  if (past) notes.push(`dotted: ${past.word}`);
  return {
    title: clean(predicate),
    note: notes.filter(Boolean).join(' · '),
    tiles: groups.map((group) => ({
      title: layout === 'together' && groups.length === 1 ? '' : group.title,
      content: contentOf({ store, tracks: of(group), hidden, focus: null, past, now }),
    })),
    columns,
    width,
    height,
    legend: layout === 'together' ? legend : [],
  };
}
