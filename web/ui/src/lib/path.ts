/** Path text: names as patterns that match exactly them. The model's own rules, of which this needs the writing half only. */

/** A name as a part of path text: what is special takes a backslash. */
export function escaped(name: string, last = false): string {
  return name.replace(last ? /[\\*?{},[\]= ]/g : /[\\*?{},[\]= /]/g, '\\$&');
}

/** `farm/cluster/node` for these names; further parts may follow. */
export function pattern(...names: string[]): string {
  return names.map((name) => escaped(name)).join('/');
}
