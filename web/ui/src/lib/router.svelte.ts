/** Where the page is: follows the address, and changes it without loading anything. */

import { parse, type Route } from './route';

type Given = Record<string, string | number | boolean | null | undefined>;

class Router {
  route: Route = $state.raw(parse(location.pathname, location.search));
  /** Rises with each walk to another page, for what has to happen then (focus, title). */
  walks = $state(0);

  constructor() {
    window.addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#clicked(event));
  }

  /** Walks to an address of this page. */
  go(to: string, options: { replace?: boolean } = {}): void {
    const page = this.route.path;
    if (options.replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    this.#read();
    if (this.route.path !== page) {
      this.walks += 1;
      window.scrollTo(0, 0);
    }
  }

  /** Changes parts of the state in the address; what is null, empty or false goes out of it. */
  set(query: Given, options: { push?: boolean } = {}): void {
    const next = new URLSearchParams(this.route.query);
    for (const [key, value] of Object.entries(query)) {
      if (value === undefined || value === null || value === '' || value === false) next.delete(key);
      else next.set(key, value === true ? '1' : String(value));
    }
    const text = next.toString();
    if (text === this.route.query.toString()) return;
    this.go(this.route.path + (text ? `?${text}` : ''), { replace: !options.push });
  }

  #read(): void {
    this.route = parse(location.pathname, location.search);
  }

  /** Plain clicks on plain links of this page do not load it again. */
  #clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download')) return;
    const to = new URL(link.href, location.href);
    if (to.origin !== location.origin || to.pathname.startsWith('/api')) return;
    if (to.hash && to.pathname === location.pathname && to.search === location.search) return;
    event.preventDefault();
    this.go(to.pathname + to.search);
  }
}

export const router = new Router();
