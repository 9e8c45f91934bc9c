/** Asks again and again while a component is looked at: one question at a time, none while the page is hidden. */

import { sentence } from './api/rest';
import { repeat } from './awake';

export class Poll<T> {
  value: T | null = $state.raw(null);
  error: string | null = $state(null);
  /** When the last answer came, this machine's time. */
  at: number | null = $state(null);
}

/** Within a component; `ask` is read anew whenever what it depends on changes, and null asks nothing. */
export function poll<T>(ask: () => ((signal: AbortSignal) => Promise<T>) | null, every: number): Poll<T> {
  const state = new Poll<T>();
  $effect(() => {
    const question = ask();
    state.value = null;
    state.error = null;
    state.at = null;
    if (!question) return;
    return repeat(async (signal) => {
      try {
        const value = await question(signal);
        if (signal.aborted) return;
        state.value = value;
        state.error = null;
        state.at = Date.now();
      } catch (error) {
        if (!signal.aborted) state.error = sentence(error);
      }
    }, every);
  });
  return state;
}
