/** Keys that work everywhere: `/` to the search, `g` and a letter to a page, `?` for help. Never while somebody types. */

import { address, type PageName } from '../lib/route';
import { router } from '../lib/router.svelte';

export const WALKS: Record<string, PageName> = {
  m: 'mesh',
  e: 'explore',
  c: 'compare',
  f: 'filters',
  a: 'alarms',
  l: 'lookups',
};
/** How long after `g` its letter may come. */
const PAUSE = 1_500;

class Keys {
  help = $state(false);
  #pending = 0;

  listen(): () => void {
    const pressed = (event: KeyboardEvent) => this.#pressed(event);
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }

  #pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target as HTMLElement | null;
    if (
      target?.matches?.('input, textarea, select, [contenteditable]') ||
      document.querySelector('dialog[open]')
    )
      return;
    const walk = Date.now() - this.#pending < PAUSE ? WALKS[event.key] : undefined;
    this.#pending = 0;
    if (walk) {
      event.preventDefault();
      router.go(address(walk));
    } else if (event.key === 'g') {
      this.#pending = Date.now();
    } else if (event.key === '?') {
      event.preventDefault();
      this.help = true;
    } else if (event.key === '/') {
      const field = document.querySelector<HTMLInputElement>('[data-search]');
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
    }
  }
}

export const keys = new Keys();
