/** A chart's values as words: for legends, screen readers and pictures. */
import { clean } from '../format/text';
import { inScale, withUnit, type Scale } from '../format/units';

/** A number, or the text of a state where there is one. */
export function valueText(value: number, text: string | null, unit: string, scale?: Scale): string {
  if (text !== null) return clean(text);
  return scale ? inScale(value, scale) : withUnit(value, unit);
}
