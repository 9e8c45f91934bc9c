import { describe, expect, it } from 'vitest';
import type { DeployedAt, Deployment } from '../../lib/api/types';
import { growth, lookAt, nameProblem, statesOf, sum } from './status';

const at = (farm: string, state: string, cpu_us?: number): DeployedAt => ({
  farm,
  id: farm,
  state,
  cost: cpu_us === undefined ? null : { cpu_us },
});
const of = (...farms: DeployedAt[]): Deployment[] => [
  { name: 'd', owner: '', serial: 1, component: { digest: '' }, grants: [], farms },
];

describe('states', () => {
  it('are counted, the worst first', () => {
    const farms = [
      at('a', 'running'),
      at('b', 'running'),
      at('c', 'quarantined'),
      at('d', 'absent'),
      at('e', 'nonsense'),
    ];
    expect(statesOf(farms).map(({ state, count, level }) => [state, count, level])).toEqual([
      ['quarantined', 1, 'critical'],
      ['absent', 1, 'unknown'],
      ['nonsense', 1, 'unknown'],
      ['running', 2, 'ok'],
    ]);
  });
});

describe('costs', () => {
  it('grow by so much a second', () => {
    const [before, now] = [
      lookAt(of(at('a', 'running', 1000)), 10_000),
      lookAt(of(at('a', 'running', 7000)), 13_000),
    ];
    expect(growth(before, now, 'd', at('a', 'running'), 'cpu_us')).toBe(2000);
  });

  it('of what began anew, or was not there, nothing is said', () => {
    const [before, now] = [
      lookAt(of(at('a', 'running', 9000), at('c', 'running')), 10_000),
      lookAt(of(at('a', 'running', 10), at('b', 'running', 5)), 13_000),
    ];
    for (const farm of ['a', 'b', 'c'])
      expect(growth(before, now, 'd', at(farm, 'running'), 'cpu_us')).toBeNull();
    expect(growth(now, now, 'd', at('a', 'running'), 'cpu_us')).toBeNull();
    expect(sum([null, 2, 3])).toBe(5);
    expect(sum([null])).toBeNull();
  });
});

describe('names', () => {
  it('of deployments are names of clusters', () => {
    expect(nameProblem('disk full/ü')).toBeNull();
    for (const name of ['', 'a\nb', 'ü'.repeat(128), 'hedgerow']) expect(nameProblem(name)).not.toBeNull();
  });
});
