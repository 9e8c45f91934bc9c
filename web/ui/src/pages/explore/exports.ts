/** What Explore gives away: samples as CSV. */
import { CallError } from '../../lib/api/rest';
import type { ErrorBody } from '../../lib/api/types';
import { parameters } from '../../lib/api/rest';
import { printSpan, windowWords, type Range } from './range';

/** How long the page waits for a query, ms. */
const PATIENCE = 120_000;

/** The predicate with the window of the page; `bin` in ms: as charted, otherwise every sample. */
export function queryText(predicate: string, range: Range, now: number, bin: number | null): string {
  const every = bin === null ? ' as=rate' : ` every=${printSpan(bin)}:mean,min,max`;
  return `${predicate} ${windowWords(range, now)}${every}`;
}

/** Asks for it. */
export async function csv(predicate: string): Promise<Blob> {
  const response = await fetch(`/api/v1/query${parameters({ predicate, format: 'csv' })}`, {
    headers: { accept: 'text/csv' },
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (response.ok) return response.blob();
  const body = (await response.json().catch(() => null)) as ErrorBody | null;
  throw new CallError(
    response.status,
    body?.error.code ?? String(response.status),
    body?.error.message ?? `The server refused the query (${response.status}).`,
  );
}
