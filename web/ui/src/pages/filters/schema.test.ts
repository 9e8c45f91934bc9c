import { describe, expect, it } from 'vitest';
import { fieldsOf, parametersOf, typed, valueOf } from './schema';

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    on: {
      type: 'array',
      items: { type: 'string' },
      description: 'Which series.',
      default: ['*/hosts/*/disk_used'],
    },
    above: { type: 'number', minimum: 0, maximum: 1 },
    top: { type: 'integer', minimum: 0, maximum: 20, default: 3 },
    hold: { type: 'string', format: 'hedgerow-duration', default: '0s' },
    severity: { type: 'string', enum: ['info', 'warning', 'critical'], default: 'warning' },
    level: { enum: [1, 2, 'auto'] },
    strict: { type: 'boolean', default: true },
    cuts: { type: 'array', items: { type: 'number' }, default: [] },
    tags: { type: 'object' },
    pairs: { type: 'array', items: { type: 'array' } },
    note: { type: 'string' },
  },
  required: ['above', 'on'],
};
const fields = fieldsOf(SCHEMA);
const field = (name: string) => fields.find((one) => one.name === name)!;

describe('fields of a schema', () => {
  it('every type has its kind, in the order of the schema', () => {
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ['on', 'texts'],
      ['above', 'number'],
      ['top', 'integer'],
      ['hold', 'text'],
      ['severity', 'choice'],
      ['level', 'choice'],
      ['strict', 'boolean'],
      ['cuts', 'numbers'],
      ['tags', 'json'],
      ['pairs', 'json'],
      ['note', 'text'],
    ]);
  });

  it('what is no schema has no fields', () => {
    for (const schema of [
      null,
      undefined,
      7,
      'x',
      [],
      {},
      { properties: 'x' },
      { properties: { a: null } },
    ]) {
      expect(fieldsOf(schema).every(({ kind }) => kind === 'json')).toBe(true);
    }
  });
});

describe('parameters', () => {
  it('what was not touched is left to the filter', () => {
    const texts = Object.fromEntries(
      fields.filter(({ hasDefault }) => hasDefault).map(({ name, fallback }) => [name, fallback]),
    );
    expect(parametersOf(fields, { ...texts, above: '0.9' })).toEqual({
      parameters: { above: 0.9 },
      problems: {},
    });
  });

  it('what has to be given is missed', () => {
    expect(parametersOf(fields, {}).problems).toEqual({ above: 'has to be given' });
    expect(parametersOf(fields, { above: ' ' }).problems).toEqual({ above: 'has to be given' });
  });

  it('a default list that is emptied is an empty list', () => {
    expect(parametersOf(fields, { above: '1', on: '' }).parameters).toEqual({ above: 1, on: [] });
  });

  it.each([
    ['above', '0.5', 0.5],
    ['above', '1e-2', 0.01],
    ['top', '7', 7],
    ['hold', '1h30m', '1h30m'],
    ['severity', 'critical', 'critical'],
    ['level', '2', 2],
    ['level', 'auto', 'auto'],
    ['strict', 'false', false],
    ['on', ' a/b \n\n c d\n', ['a/b', 'c d']],
    ['cuts', '1\n2.5', [1, 2.5]],
    ['tags', '{"a": [1]}', { a: [1] }],
    ['note', ' as it is ', ' as it is '],
  ])('%s takes %j', (name, text, value) => {
    expect(valueOf(field(name), text)).toEqual({ value });
  });

  it.each([
    ['above', '2', 'expected at most 1'],
    ['above', '-1', 'expected at least 0'],
    ['above', 'much', 'expected a number'],
    ['above', '0x1g', 'expected a number'],
    ['top', '1.5', 'expected a whole number'],
    ['hold', '5', 'expected a duration, such as 30s, 5m or 1h30m'],
    ['severity', 'bad', 'expected one of info, warning, critical'],
    ['strict', 'yes', 'expected true or false'],
    ['cuts', '1\nx', 'expected a number'],
    ['tags', '{a}', 'expected JSON, such as {"key": 1}'],
  ])('%s refuses %j', (name, text, problem) => {
    expect(valueOf(field(name), text)).toEqual({ problem });
  });

  it('what a deployment has is typed as it is read', () => {
    for (const [name, value] of Object.entries({
      on: ['a', 'b'],
      above: 0.25,
      strict: false,
      severity: 'info',
      level: 1,
      tags: { a: 1 },
      cuts: [1, 2],
      note: 'x',
    }))
      expect(valueOf(field(name), typed(field(name).kind, value))).toEqual({ value });
  });
});
