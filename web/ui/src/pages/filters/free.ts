/**
 * Parameters of a filter that says which it takes only once it was given those that it needs: names and values as typed. A value
 * is what it reads as in JSON (`0.9`, `true`, `["a", "b"]`), and text where it is none.
 */

export interface Row {
  name: string;
  value: string;
  /** What the filter said of it. */
  about: string;
}

export function rowsOf(parameters: Readonly<Record<string, unknown>> | null): Row[] {
  return Object.entries(parameters ?? {}).map(([name, value]) => ({
    name,
    value: typeof value === 'string' && meant(value) === value ? value : JSON.stringify(value),
    about: '',
  }));
}

/** What a typed text means. */
export function meant(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Rows without a name or a value are not given. */
export function givenBy(rows: readonly Row[]): Record<string, unknown> {
  return Object.fromEntries(
    rows
      .filter(({ name, value }) => name.trim() && value.trim())
      .map(({ name, value }) => [name.trim(), meant(value.trim())]),
  );
}

/** With a row for the parameter that the complaint misses: filters of the kit name it, and say what it is. */
export function withMissing(rows: Row[], complaint: string): Row[] {
  const [, name = '', about = ''] = /parameter `([^`]+)` is missing(?:: (.*))?/s.exec(complaint) ?? [];
  if (!name || rows.some((row) => row.name === name)) return rows;
  return [...rows.filter((row) => row.name || row.value), { name, value: '', about }];
}
