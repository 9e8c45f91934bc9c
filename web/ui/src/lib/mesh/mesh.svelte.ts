/** The mesh as a whole: one view that stays open while the page is looked at, whichever page it is. */

import { live } from '../api/live.svelte';
import type { MeshFrame } from '../api/types';
import { clock } from '../clock.svelte';
import { clean } from '../format/text';
import { notices } from '../notices.svelte';
import { apply, type MeshState } from './farms';

export class MeshStore {
  state: MeshState | null = $state.raw(null);
  error: string | null = $state(null);
  /** Tells what happens to screen readers, and losses to everybody. */
  #tells: boolean;

  constructor(tells: boolean) {
    this.#tells = tells;
  }

  open(template?: string): () => void {
    this.error = null;
    return live.open<'mesh'>(
      { kind: 'mesh', ...(template ? { template } : {}) },
      { frame: (frame) => this.#take(frame), error: (message) => (this.error = message) },
    );
  }

  clear(): void {
    this.state = null;
    this.error = null;
  }

  #take(frame: MeshFrame): void {
    const { state, change } = apply(this.state, frame);
    this.state = state;
    this.error = null;
    clock.told(frame.now);
    if (!this.#tells) return;
    if (change.lost.length > 0) {
      const names = change.lost.slice(0, 3).map((one) => clean(one.name));
      const more = change.lost.length > 3 ? ` and ${change.lost.length - 3} more` : '';
      const text = `Lost: ${names.join(', ')}${more}. ${change.lost.length > 1 ? 'Their leases' : 'Its lease'} ran out.`;
      notices.announce(text, true);
    } else if (change.back.length > 0) {
      notices.announce(
        `Back: ${change.back
          .map((farm) => clean(farm.name))
          .slice(0, 3)
          .join(', ')}`,
      );
    }
  }
}

export const mesh = new MeshStore(true);
