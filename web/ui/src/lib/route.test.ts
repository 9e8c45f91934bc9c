import { describe, expect, it } from 'vitest';
import { PAGES, address, parse, search } from './route';
import { escaped, exactly, pattern, rest } from './path';

describe('addresses', () => {
  it('name every page, and read back', () => {
    for (const page of PAGES) expect(parse(address(page, { farm: 'cern-1' }), '').page).toBe(page);
  });
  it('carry any name of a farm', () => {
    for (const farm of ['cern-1', 'a/b', 'a b?c#d', '<img src=x>', 'evil\u202ename', 'ферма', '..', '100%'])
      expect(parse(new URL(address('farm', { farm }), 'http://x').pathname, '').farm).toBe(
        farm === '..' ? undefined : farm,
      );
  });
  it('that lead nowhere say so', () => {
    for (const path of [
      '/nothing',
      '/mesh',
      '/farm',
      '/farm/a/b',
      '/alarms/x',
      '/farm/%E0%A4%A',
      `/farm/${'x'.repeat(400)}`,
    ])
      expect(parse(path, '').page).toBe('unknown');
  });
  it('hold the state, and leave out what says nothing', () => {
    expect(search({ q: 'a b', s: null, t: '', fresh: true, cleared: false })).toBe('?q=a+b&fresh=1');
    expect(parse('/alarms', '?q=a+b').query.get('q')).toBe('a b');
  });
});

describe('path text', () => {
  it('escapes what is special', () => {
    expect(pattern('a/b', 'c*', 'd e')).toBe('a\\/b/c\\*/d\\ e');
    expect(escaped('a/b', true)).toBe('a/b');
    expect(escaped('{x},[y]=\\?')).toBe('\\{x\\}\\,\\[y\\]\\=\\\\\\?');
  });
  it('gives the parameter with its labels', () => {
    expect(rest('site/net/sw-a1/in[Gi0/1]')).toBe('in[Gi0/1]');
    expect(rest('a\\/b/c/d\\/e/up')).toBe('up');
    expect(rest('short')).toBe('');
  });
  it('means one series of a node where no label is given', () => {
    expect(exactly('up')).toBe('up[]');
    expect(exactly('in[eth0]')).toBe('in[eth0]');
  });
});
