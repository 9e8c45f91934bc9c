/** Which page an address means. The address holds a page's whole state, so that it can be shared. */

export const PAGES = ['mesh', 'farm', 'explore', 'compare', 'filters', 'alarms', 'lookups'] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  /** `unknown`: no such page. */
  page: PageName | 'unknown';
  /** Of `farm`: which. */
  farm?: string;
  path: string;
  query: URLSearchParams;
}

/** The longest name of a farm, twins' suffix included. */
const LONGEST_NAME = 300;

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

export function parse(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const parts = path.split('/').filter((part) => part !== '');
  const [first, second] = parts;
  if (first === undefined) return { page: 'mesh', path, query };
  if (first === 'farm' && second !== undefined && parts.length === 2) {
    const farm = decoded(second);
    if (farm !== null && farm.length <= LONGEST_NAME) return { page: 'farm', farm, path, query };
  }
  if (parts.length === 1 && first !== 'mesh' && first !== 'farm') {
    const page = PAGES.find((name) => name === first);
    if (page) return { page, path, query };
  }
  return { page: 'unknown', path, query };
}

/** The address of a page. Parameters that say nothing are left out. */
export function address(
  page: PageName,
  options: { farm?: string; query?: Record<string, string | number | boolean | null | undefined> } = {},
): string {
  const path =
    page === 'mesh' ? '/' : page === 'farm' ? `/farm/${encodeURIComponent(options.farm ?? '')}` : `/${page}`;
  return path + search(options.query ?? {});
}

/** `?a=1`, or nothing. */
export function search(query: Record<string, string | number | boolean | null | undefined>): string {
  const made = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== null && value !== '' && value !== false)
      made.set(key, value === true ? '1' : String(value));
  const text = made.toString();
  return text ? `?${text}` : '';
}
