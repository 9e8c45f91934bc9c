/** Path text: names as patterns that match exactly them. The model's own rules, of which this needs the writing half only. */

/** A name as a part of path text: what is special takes a backslash. */
export function escaped(name: string, last = false): string {
  return name.replace(last ? /[\\*?{},[\]= ]/g : /[\\*?{},[\]= /]/g, '\\$&');
}

/** `farm/cluster/node` for these names; further parts may follow. */
export function pattern(...names: string[]): string {
  return names.map((name) => escaped(name)).join('/');
}

/** What stands behind the node in the path text of a series: its parameter, with its labels. */
export function rest(path: string): string {
  let slashes = 0;
  for (let at = 0; at < path.length; at++) {
    if (path[at] === '\\') at += 1;
    else if (path[at] === '/' && ++slashes === 3) return path.slice(at + 1);
  }
  return '';
}

/** The parameter with its labels as a pattern for exactly that: without brackets it would match every label. */
export function exactly(parameter: string): string {
  return parameter.endsWith(']') ? parameter : `${parameter}[]`;
}
