/** A chart view of the server, kept in a store for as long as the component that follows it. */
import { untrack } from 'svelte';
import { follow } from '../api/live.svelte';
import type { SpecOf } from '../api/types';
import { ChartStore } from './store';

/**
 * Follows what `spec()` gives; null: nothing for now. What was there stays until the first frame of the next view. To be
 * called while a component is made.
 */
export function chartStore(spec: () => SpecOf<'chart'> | null): ChartStore {
  const store = new ChartStore();
  follow<'chart'>(spec, {
    opened: () => {
      const now = untrack(spec);
      if (now) store.opened(now);
    },
    frame: (frame) => store.apply(frame),
    error: (message) => store.fail(message),
  });
  return store;
}

/** Widths are rounded up to these steps, so that resizing does not ask anew and browsers share views. */
const STEP = 200;

/** The pixels to ask for where a plot is so wide. */
export function pixels(width: number): number {
  return Math.min(2000, Math.max(STEP, Math.ceil(width / STEP) * STEP));
}
