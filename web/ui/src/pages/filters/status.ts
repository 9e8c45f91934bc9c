/** How deployments fare, in figures: states counted, and what they cost a second between two looks. */
import type { DeployedAt, Deployment, Level } from '../../lib/api/types';

/** How bad a state is; what is not known here is unknown. */
export function levelOf(state: string): Level {
  switch (state) {
    case 'running':
      return 'ok';
    case 'admitted':
    case 'preparing':
      return 'info';
    case 'backing off':
    case 'refused':
      return 'warning';
    case 'quarantined':
      return 'critical';
    default:
      return 'unknown';
  }
}

const ORDER: Level[] = ['critical', 'warning', 'unknown', 'info', 'ok'];

/** The states of a deployment with how many farms are in each, the worst first. */
export function statesOf(farms: readonly DeployedAt[]): { state: string; level: Level; count: number }[] {
  const tally = new Map<string, number>();
  for (const { state } of farms) tally.set(state, (tally.get(state) ?? 0) + 1);
  return [...tally]
    .map(([state, count]) => ({ state, level: levelOf(state), count }))
    .sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level) || b.count - a.count);
}

export function costOf(at: DeployedAt, name: string): number | null {
  const value = at.cost?.[name];
  return typeof value === 'number' ? value : null;
}

/** Counters of cost as they were at a look. */
export interface Look {
  t: number;
  of: Map<string, number>;
}

const COUNTERS = ['cpu_us', 'samples_in', 'samples_out'] as const;
export type Counter = (typeof COUNTERS)[number];

const key = (deployment: string, farm: string, counter: Counter) => `${deployment}\0${farm}\0${counter}`;

export function lookAt(deployments: readonly Deployment[], t: number): Look {
  const of = new Map<string, number>();
  for (const { name, farms } of deployments)
    for (const at of farms)
      for (const counter of COUNTERS) {
        const value = costOf(at, counter);
        if (value !== null) of.set(key(name, at.id ?? at.farm, counter), value);
      }
  return { t, of };
}

/** Growth a second between two looks; null where one of them does not know, or it began anew between them. */
export function growth(
  before: Look | null,
  now: Look | null,
  deployment: string,
  at: DeployedAt,
  counter: Counter,
): number | null {
  if (!before || !now || now.t <= before.t) return null;
  const of = key(deployment, at.id ?? at.farm, counter);
  const [was, is] = [before.of.get(of), now.of.get(of)];
  if (was === undefined || is === undefined || is < was) return null;
  return ((is - was) * 1000) / (now.t - before.t);
}

/** The sum of what is known; null where nothing is. */
export function sum(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((total, value) => total + value, 0) : null;
}

/** May this be the name of a deployment? It becomes a cluster. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'has to be given';
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'holds a character that cannot be shown';
  if (new TextEncoder().encode(name).length > 255) return 'is longer than 255 bytes';
  if (name === 'hedgerow') return 'is the name of the farm’s own cluster';
  return null;
}
