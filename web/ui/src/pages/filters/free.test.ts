import { describe, expect, it } from 'vitest';
import { givenBy, rowsOf, withMissing } from './free';

describe('parameters before there is a schema', () => {
  it('are JSON where they read as such, and text otherwise', () => {
    const rows = [
      { name: 'above', value: ' 0.9 ', about: '' },
      { name: 'on', value: '["a/b", "c"]', about: '' },
      { name: 'hold', value: '30s', about: '' },
      { name: 'empty', value: ' ', about: '' },
      { name: ' ', value: '1', about: '' },
    ];
    expect(givenBy(rows)).toEqual({ above: 0.9, on: ['a/b', 'c'], hold: '30s' });
  });
  it('read back what a deployment has', () => {
    const parameters = { above: 0.9, on: ['a'], text: 'plain', number: '12' };
    expect(givenBy(rowsOf(parameters))).toEqual(parameters);
    expect(rowsOf(null)).toEqual([]);
  });
  it('get a row for what the filter misses, once', () => {
    const complaint = 'the parameters: the parameter `above` is missing: The bound.';
    const rows = withMissing([{ name: '', value: '', about: '' }], complaint);
    expect(rows).toEqual([{ name: 'above', value: '', about: 'The bound.' }]);
    expect(withMissing(rows, complaint)).toBe(rows);
    expect(withMissing(rows, 'something else')).toBe(rows);
  });
});
