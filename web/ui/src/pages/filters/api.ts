/** Calls of `/api/v1/filters`. */
import { call, parameters as search } from '../../lib/api/rest';
import type { ComponentAnswer, Coverage, DescribeAnswer, Farm, FilterLog } from '../../lib/api/types';

/** Compiling and asking a component takes the server a while, ms. */
const PATIENCE = 60_000;
/** Larger files are no filters: refused before they are sent. */
export const LARGEST = 16 << 20;

const part = encodeURIComponent;

export interface Wish {
  component: string;
  parameters: Record<string, unknown>;
  template: string;
  until?: number;
  grants: string[];
  state?: 'keep' | 'fresh';
}

export const filtersApi = {
  upload: (file: Blob) => call<ComponentAnswer>('/filters/components', { method: 'POST', body: file, timeout: PATIENCE }),
  describe: (component: string, parameters: Record<string, unknown>, signal?: AbortSignal) =>
    call<DescribeAnswer & { description?: string }>('/filters/describe', { method: 'POST', body: { component, parameters }, signal, timeout: PATIENCE }),
  deploy: (name: string, wish: Wish) => call<unknown>(`/filters/${part(name)}`, { method: 'PUT', body: wish, timeout: PATIENCE }),
  remove: (name: string) => call<unknown>(`/filters/${part(name)}`, { method: 'DELETE', timeout: PATIENCE }),
  retry: (name: string, farm?: string) => call<unknown>(`/filters/${part(name)}/retry`, { method: 'POST', body: farm ? { farm } : {}, timeout: PATIENCE }),
  logs: async (name: string, farm: string, signal?: AbortSignal): Promise<FilterLog[]> => {
    const answer = await call<FilterLog[] | { lines?: FilterLog[]; logs?: FilterLog[] }>(`/filters/${part(name)}/logs${search({ farm })}`, { signal });
    return Array.isArray(answer) ? answer : (answer.lines ?? answer.logs ?? []);
  },
  /** Which farms a template means. The empty one means all. */
  farms: (template: string, signal?: AbortSignal) => call<{ farms: Farm[]; coverage?: Coverage }>(`/farms${search({ template })}`, { signal }),
};
