/** Filters and deployments, as this page has them. */

export interface FilterCost {
  [name: string]: number | string | null | undefined;
}

export interface DeployedAt {
  farm: string;
  id?: string | null;
  state: string;
  reason?: string | null;
  running_serial?: number | null;
  since?: number | null;
  cost?: FilterCost | null;
}

export interface Deployment {
  name: string;
  owner: string;
  serial: number;
  component: { digest: string; name?: string | null; version?: string | null };
  parameters?: unknown;
  template?: string | null;
  until?: number | null;
  grants: string[];
  description?: string | null;
  farms: DeployedAt[];
}

export interface ShippedFilter {
  name: string;
  version?: string | null;
  description: string;
  wants?: string[];
}

export interface ComponentAnswer {
  digest: string;
  bytes: number;
  name: string;
  version: string;
  description: string;
  wants: string[];
}

export interface DescribeAnswer {
  /** JSON Schema of its parameters. */
  schema: unknown;
  predicates: string[];
  look_back?: number | null;
  tick?: number | null;
  wants?: string[];
  /** Why it does not take the parameters; then there may be no schema. */
  complaint?: string;
}

export interface FilterLog {
  farm: string;
  time: number;
  level: string;
  text: string;
  of_farm?: boolean;
}
