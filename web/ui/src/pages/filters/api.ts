/** Calls of `/api/v1/filters`, and their answers as this page has them. */
import { call, parameters as search, upload } from '../../lib/api/rest';
import type {
  ComponentAnswer,
  Coverage,
  Deployment,
  DeployedAt,
  DescribeAnswer,
  Farm,
  FilterLog,
  ShippedFilter,
} from '../../lib/api/types';

/** Compiling and asking a component takes the server a while, ms. */
const PATIENCE = 60_000;
/** Larger files are no filters: refused before they are sent. */
export const LARGEST = 16 << 20;
/** What a filter that asks for actions wants; each is granted by its name, as `action:NAME`. */
export const ACTIONS = 'actions';

const part = encodeURIComponent;

export interface Wish {
  component: string;
  parameters: Record<string, unknown>;
  template: string;
  until?: number;
  grants: string[];
  state?: 'keep' | 'fresh';
  description?: string;
}

/** A deployment, as the server tells it. */
interface DeploymentLine {
  name: string;
  owner: string;
  serial: number;
  component: string;
  component_name?: string;
  component_version?: string;
  parameters?: unknown;
  to: string;
  grants: string[];
  actions?: string[];
  description?: string;
  until?: number;
  farms: DeployedAt[];
}

/** What a filter says of itself, as the server tells it. */
interface DescriptionLine {
  name: string;
  version: string;
  description: string;
  predicates: string[];
  look_back_ms: number;
  tick_ms: number;
  capabilities: string[];
  schema: unknown;
}

/** Where it does not take the parameters: what it says, and its schema where that can be had. */
type Described = DescriptionLine | { complaint: string; schema?: unknown };

export interface Filters {
  deployments: Deployment[];
  shipped: ShippedFilter[];
  coverage?: Coverage;
}

function deploymentOf(line: DeploymentLine): Deployment {
  const {
    component,
    component_name: name,
    component_version: version,
    to,
    actions = [],
    grants,
    ...rest
  } = line;
  const granted = [
    ...grants.filter((grant) => grant !== ACTIONS),
    ...actions.map((action) => `action:${action}`),
  ];
  return { ...rest, component: { digest: component, name, version }, template: to, grants: granted };
}

function descriptionOf(line: Described): DescribeAnswer {
  if ('complaint' in line) return { schema: line.schema, predicates: [], complaint: line.complaint };
  return {
    schema: line.schema,
    predicates: line.predicates,
    look_back: line.look_back_ms,
    tick: line.tick_ms,
    wants: line.capabilities,
  };
}

export const filtersApi = {
  list: async (signal?: AbortSignal): Promise<Filters> => {
    const answer = await call<{
      deployments: DeploymentLine[];
      shipped: ShippedFilter[];
      coverage?: Coverage;
    }>('/filters', { signal, timeout: PATIENCE });
    return { ...answer, deployments: answer.deployments.map(deploymentOf) };
  },
  /** `sent` is told which part of it is with the server, 0 to 1. */
  upload: async (file: File, sent: (share: number) => void): Promise<ComponentAnswer> => {
    const answer = await upload<{ digest: string; bytes: number; description: DescriptionLine | null }>(
      '/components',
      file,
      sent,
      PATIENCE,
    );
    // One that takes parameters without which it says nothing has the name of its file.
    const own = { name: file.name.replace(/\.wasm$/i, ''), version: '', description: '', capabilities: [] };
    const { name, version, description, capabilities } = answer.description ?? own;
    return { digest: answer.digest, bytes: answer.bytes, name, version, description, wants: capabilities };
  },
  /** Without parameters a shipped filter is described with those of its example. */
  describe: async (
    component: string,
    parameters: Record<string, unknown> | null,
    signal?: AbortSignal,
  ): Promise<DescribeAnswer> =>
    descriptionOf(
      await call<Described>('/components/describe', {
        method: 'POST',
        body: { component, ...(parameters ? { parameters } : {}) },
        signal,
        timeout: PATIENCE,
      }),
    ),
  deploy: (name: string, wish: Wish) =>
    call<unknown>(`/filters/${part(name)}`, { method: 'PUT', body: wish, timeout: PATIENCE }),
  remove: (name: string) => call<unknown>(`/filters/${part(name)}`, { method: 'DELETE', timeout: PATIENCE }),
  retry: (name: string, farm?: string) =>
    call<unknown>(`/filters/${part(name)}/retry`, {
      method: 'POST',
      body: farm ? { farm } : {},
      timeout: PATIENCE,
    }),
  logs: async (name: string, farm: string, signal?: AbortSignal): Promise<FilterLog[]> =>
    (
      await call<{ lines: FilterLog[] }>(`/filters/${part(name)}/logs${search({ farm })}`, {
        signal,
        timeout: PATIENCE,
      })
    ).lines,
  /** Which farms a template means. The empty one means all. */
  farms: (template: string, signal?: AbortSignal) =>
    call<{ farms: Farm[]; coverage?: Coverage }>(`/farms${search({ template })}`, { signal }),
};
