/** A chart's values as words: for legends, screen readers and pictures. */
import { clean } from '../format/text';
import { local } from '../format/time';
import { inScale, withUnit, type Scale } from '../format/units';
import { namesOf } from './names';
import type { Track } from './store';
import { summary, valueAt } from './summary';

/** A number, or the text of a state where there is one. */
export function valueText(value: number, text: string | null, unit: string, scale?: Scale): string {
  if (text !== null) return clean(text);
  return scale ? inScale(value, scale) : withUnit(value, unit);
}

/** Series that are read out at once. */
const SAID = 5;

/** What stands at the cursor, or stood last, as a sentence. */
export function spokenOf(
  tracks: readonly Track[],
  unit: string,
  window: [from: number, to: number],
  at: number | null,
  bin: number,
  missing: readonly string[],
): string {
  const { names } = namesOf(tracks.map((track) => track.head));
  const said = tracks.slice(0, SAID).map((track, index) => {
    const found = at === null ? null : valueAt(track, at, bin);
    const last = at === null ? summary(track, window[0], window[1]) : null;
    const text = found
      ? valueText(found.value, found.text, unit)
      : last
        ? valueText(last.last, last.lastText, unit)
        : 'no value';
    return `${names[index]} ${text}`;
  });
  for (const why of missing) said.push(`gap, ${clean(why)}`);
  const more = tracks.length > SAID ? `, and ${tracks.length - SAID} more` : '';
  return `${local(at ?? window[1])}: ${said.join(', ')}${more}`;
}
