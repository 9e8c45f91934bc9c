import { describe, expect, it } from 'vitest';
import type { Farm, MeshFrame, MeshTotals } from '../api/types';
import { fits, narrowed, rowsOf } from '../../pages/mesh/rows';
import { GONE_SHOWN_FOR, LOG_LINES, apply } from './farms';

const totals: MeshTotals = {
  farms: 0,
  live: 0,
  suspect: 0,
  unconfirmed: 0,
  stale: 0,
  gone: 0,
  alarms: { critical: 0, warning: 0, info: 0, unknown: 0 },
};
const farm = (name: string, more: Partial<Farm> = {}): Farm => ({
  id: `id-${name}`,
  name,
  state: 'live',
  level: 'ok',
  alarms: { critical: 0, warning: 0, info: 0, unknown: 0 },
  groups: ['alice'],
  attributes: { city: 'Bern' },
  endpoints: [],
  version: '1',
  lookups: [],
  since: 0,
  ...more,
});
const frame = (more: Partial<MeshFrame>): MeshFrame => ({
  now: 1_000,
  mesh: { name: 'm', id: '1' },
  totals,
  ...more,
});
const gone = (name: string, why: 'expired' | 'cancelled' = 'expired', t = 1_000) => ({
  id: `id-${name}`,
  name,
  why,
  t,
  farm: farm(name),
});

describe('a mesh view', () => {
  const first = apply(null, frame({ full: true, farms: [farm('a'), farm('b')] })).state;

  it('tells nothing of what was there from the start', () => {
    expect(apply(null, frame({ full: true, farms: [farm('a')], gone: [gone('z')] })).change).toEqual({
      lost: [],
      left: [],
      back: [],
      appeared: [],
    });
  });
  it('moves a lost farm, and tells it as lost', () => {
    const { state, change } = apply(first, frame({ gone: [gone('a')] }));
    expect([...state.farms.keys()]).toEqual(['id-b']);
    expect(change.lost.map((one) => one.name)).toEqual(['a']);
    expect(first.farms.size).toBe(2);
  });
  it('does not call a farm lost that said goodbye', () => {
    const { change } = apply(first, frame({ gone: [gone('a', 'cancelled')] }));
    expect([change.lost.length, change.left.length]).toEqual([0, 1]);
  });
  it('takes it back when it returns, with or without its place in the list of those', () => {
    const lost = apply(first, frame({ gone: [gone('a')] })).state;
    for (const back of [['id-a'], undefined]) {
      const { state, change } = apply(lost, frame({ farms: [farm('a')], back }));
      expect(state.gone.size).toBe(0);
      expect(change.back.map((one) => one.name)).toEqual(['a']);
      expect(change.appeared).toEqual([]);
    }
  });
  it('forgets what went an hour ago', () => {
    const lost = apply(first, frame({ gone: [gone('a')] })).state;
    expect(apply(lost, frame({ now: 1_000 + GONE_SHOWN_FOR })).state.gone.size).toBe(1);
    expect(apply(lost, frame({ now: 1_001 + GONE_SHOWN_FOR })).state.gone.size).toBe(0);
  });
  it('starts from nothing with a full frame', () => {
    expect(apply(first, frame({ full: true, farms: [farm('c')] })).state.farms.size).toBe(1);
  });
  it('keeps a bounded log', () => {
    const line = { t: 1, what: 'appeared', kind: 'farm', name: 'x' } as const;
    let state = first;
    for (let at = 0; at < 15; at++) state = apply(state, frame({ log: Array(100).fill(line) })).state;
    expect(state.log.length).toBe(LOG_LINES);
  });
});

describe('the rows of farms', () => {
  const state = apply(
    null,
    frame({
      full: true,
      farms: [
        farm('n10'),
        farm('n2'),
        farm('bad', { level: 'critical' }),
        farm('odd', { state: 'suspect' }),
        farm('here', { place: { lat: 1, lon: 2 } }),
      ],
      gone: [gone('lost'), gone('left', 'cancelled')],
    }),
  ).state;
  const names = rowsOf(state).map((row) => row.farm.name);

  it('begin with the worst, and count as people do', () => {
    expect(names).toEqual(['lost', 'bad', 'left', 'here', 'n2', 'n10', 'odd']);
  });
  it('are narrowed by what is typed, every word of it', () => {
    const found = (text: string) =>
      rowsOf(state)
        .filter((row) => fits(row, text.split(' ')))
        .map((row) => row.farm.name);
    expect(found('bern n1')).toEqual(['n10']);
    expect(found('alice')).toHaveLength(7);
    expect(found('geneva')).toEqual([]);
  });
  it('are narrowed by a total', () => {
    const by = (narrow: Parameters<typeof narrowed>[1]) =>
      rowsOf(state)
        .filter((row) => narrowed(row, narrow))
        .map((row) => row.farm.name);
    expect(by('critical')).toEqual(['lost', 'bad']);
    expect(by('gone')).toEqual(['lost', 'left']);
    expect(by('doubtful')).toEqual(['odd']);
    expect(by('noplace')).not.toContain('here');
  });
});
