/**
 * Forms from a filter's JSON schema: what fields there are, what people type into them, and the parameters that come of it.
 * What no field can show (objects, lists of lists) is JSON text. Values that are left as they are by default are not sent.
 */

export interface Field {
  name: string;
  kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'texts' | 'numbers' | 'json';
  duration: boolean;
  required: boolean;
  description: string;
  /** What is taken where nothing is given, as it would be typed. */
  fallback: string;
  hasDefault: boolean;
  choices: string[];
  minimum: number | null;
  maximum: number | null;
}

/** More parameters than this are not shown as fields. */
const MOST = 200;

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Json) : {};
}

/** The fields of a schema, in its order. */
export function fieldsOf(schema: unknown): Field[] {
  const root = object(schema);
  const required = Array.isArray(root.required) ? root.required : [];
  return Object.entries(object(root.properties))
    .slice(0, MOST)
    .map(([name, given]) => {
      const property = object(given);
      const kind = kindOf(property);
      const hasDefault = property.default !== undefined;
      return {
        name,
        kind,
        duration: property.format === 'hedgerow-duration',
        required: required.includes(name),
        description: typeof property.description === 'string' ? property.description : '',
        fallback: hasDefault ? typed(kind, property.default) : '',
        hasDefault,
        choices:
          kind === 'choice'
            ? (property.enum as unknown[]).map((choice) =>
                typeof choice === 'string' ? choice : JSON.stringify(choice),
              )
            : [],
        minimum: typeof property.minimum === 'number' ? property.minimum : null,
        maximum: typeof property.maximum === 'number' ? property.maximum : null,
      };
    });
}

function kindOf(property: Json): Field['kind'] {
  if (Array.isArray(property.enum) && property.enum.length > 0) return 'choice';
  switch (property.type) {
    case 'string':
      return 'text';
    case 'number':
    case 'integer':
    case 'boolean':
      return property.type;
    case 'array': {
      const of = object(property.items).type;
      return of === 'string' ? 'texts' : of === 'number' || of === 'integer' ? 'numbers' : 'json';
    }
    default:
      return 'json';
  }
}

/** A value as people would type it: lists one entry a line. */
export function typed(kind: Field['kind'], value: unknown): string {
  if (value === undefined) return '';
  if ((kind === 'texts' || kind === 'numbers') && Array.isArray(value)) return value.map(String).join('\n');
  if (kind === 'json') return JSON.stringify(value, null, 2);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The value of what was typed, or what is wrong with it. `undefined`: nothing was given. */
export function valueOf(field: Field, text: string): { value?: unknown; problem?: string } {
  const trimmed = text.trim();
  if (field.kind === 'texts' || field.kind === 'numbers') {
    const lines = text
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    if (lines.length === 0) return field.hasDefault && field.fallback !== '' ? { value: [] } : missing(field);
    if (field.kind === 'texts') return { value: lines };
    const numbers = lines.map((line) => number(field, line));
    const bad = numbers.find(({ problem }) => problem);
    return bad ? { problem: bad.problem } : { value: numbers.map(({ value }) => value) };
  }
  if (trimmed === '') return missing(field);
  switch (field.kind) {
    case 'number':
    case 'integer':
      return number(field, trimmed);
    case 'boolean':
      return trimmed === 'true' || trimmed === 'false'
        ? { value: trimmed === 'true' }
        : { problem: 'expected true or false' };
    case 'choice':
      return field.choices.includes(trimmed)
        ? { value: unquoted(trimmed) }
        : { problem: `expected one of ${field.choices.join(', ')}` };
    case 'json':
      try {
        return { value: JSON.parse(trimmed) as unknown };
      } catch {
        return { problem: 'expected JSON, such as {"key": 1}' };
      }
    default:
      if (field.duration && !/^(\d+(\.\d*)?(w|d|h|m|s|ms))+$/.test(trimmed))
        return { problem: 'expected a duration, such as 30s, 5m or 1h30m' };
      return { value: field.duration ? trimmed : text };
  }
}

/** A choice that is no text stands as JSON. */
function unquoted(text: string): unknown {
  return /^(-?\d|true$|false$|null$)/.test(text) ? (JSON.parse(text) as unknown) : text;
}

function missing(field: Field): { problem?: string } {
  return field.required && !field.hasDefault ? { problem: 'has to be given' } : {};
}

function number(field: Field, text: string): { value?: number; problem?: string } {
  const value = Number(text.replace('−', '-'));
  if (text === '' || !Number.isFinite(value)) return { problem: 'expected a number' };
  if (field.kind === 'integer' && !Number.isInteger(value)) return { problem: 'expected a whole number' };
  if (field.minimum !== null && value < field.minimum)
    return { problem: `expected at least ${field.minimum}` };
  if (field.maximum !== null && value > field.maximum)
    return { problem: `expected at most ${field.maximum}` };
  return { value };
}

/** The parameters of what was typed, and what is wrong, by field. What was not touched is left to the filter. */
export function parametersOf(
  fields: readonly Field[],
  texts: Readonly<Record<string, string>>,
): { parameters: Json; problems: Record<string, string> } {
  const parameters: Json = {};
  const problems: Record<string, string> = {};
  for (const field of fields) {
    const text = texts[field.name];
    if (text === undefined || (field.hasDefault && text === field.fallback)) {
      if (text === undefined && field.required && !field.hasDefault) problems[field.name] = 'has to be given';
      continue;
    }
    const { value, problem } = valueOf(field, text);
    if (problem) problems[field.name] = problem;
    else if (value !== undefined) parameters[field.name] = value;
  }
  return { parameters, problems };
}

/** The type of a field in words. */
export function kindText(field: Field): string {
  const words: Record<Field['kind'], string> = {
    text: field.duration ? 'duration' : 'text',
    number: 'number',
    integer: 'whole number',
    boolean: 'yes or no',
    choice: 'one of these',
    texts: 'one a line',
    numbers: 'numbers, one a line',
    json: 'JSON',
  };
  const bounds =
    field.minimum !== null && field.maximum !== null
      ? `, ${field.minimum} to ${field.maximum}`
      : field.minimum !== null
        ? `, from ${field.minimum}`
        : field.maximum !== null
          ? `, to ${field.maximum}`
          : '';
  return words[field.kind] + bounds;
}
