/** Saved views: a page's address under a name, kept by the server as a file. */
import { call } from '../api/rest';
import type { SavedView } from '../api/types';
import { address, PAGES, type Route } from '../route';

/** Which of the server's names a title gets: small letters, digits, dashes. */
export function nameOf(title: string): string {
  const name = title
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  return name || 'view';
}

/** What is saved of an address. */
export function stateOf(route: Route): Record<string, string> {
  const state: Record<string, string> = Object.fromEntries(route.query);
  if (route.farm !== undefined) state.farm = route.farm;
  return state;
}

/** The address of a saved view; null where its page is unknown to this release. */
export function addressOf(view: Pick<SavedView, 'page' | 'state'>): string | null {
  const page = PAGES.find((name) => name === view.page);
  if (!page) return null;
  const query: Record<string, string> = {};
  for (const [key, value] of Object.entries(view.state ?? {})) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      query[key] = String(value);
  }
  if (page !== 'farm') return address(page, { query });
  const { farm = '', ...rest } = query;
  return address(page, { farm, query: rest });
}

export async function listViews(signal?: AbortSignal): Promise<SavedView[]> {
  const answer = await call<SavedView[] | { views: SavedView[] }>('/views', { signal });
  return Array.isArray(answer) ? answer : (answer?.views ?? []);
}

export function saveView(name: string, title: string, route: Route): Promise<unknown> {
  return call(`/views/${encodeURIComponent(name)}`, {
    method: 'PUT',
    body: { title, page: route.page, state: stateOf(route) },
  });
}

export function deleteView(name: string): Promise<unknown> {
  return call(`/views/${encodeURIComponent(name)}`, { method: 'DELETE' });
}
