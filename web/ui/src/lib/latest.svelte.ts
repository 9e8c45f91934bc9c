/** The newest values of what a predicate matches, followed while a component is looked at. */

import { follow } from './api/live.svelte';
import type { Coverage, SeriesHead, Value } from './api/types';

export class Latest {
  series: SeriesHead[] = $state.raw([]);
  /** By the index of the series. */
  values: Value[] = $state.raw([]);
  times: number[] = $state.raw([]);
  coverage: Coverage | null = $state.raw(null);
  more = $state(0);
  error: string | null = $state(null);
  loaded = $state(false);
}

export function latest(spec: () => { predicate: string; limit?: number } | null): Latest {
  const state = new Latest();
  follow<'latest'>(
    () => {
      const now = spec();
      return now && { kind: 'latest', ...now };
    },
    {
      opened: () => {
        state.series = [];
        state.values = [];
        state.times = [];
        state.error = null;
        state.loaded = false;
        state.more = 0;
      },
      frame: (frame) => {
        const series = frame.full ? [] : [...state.series];
        for (const head of frame.series ?? []) series[head.s] = head;
        const values = frame.full ? [] : [...state.values];
        const times = frame.full ? [] : [...state.times];
        const news = frame.values;
        if (news)
          for (const [at, s] of news.s.entries()) {
            values[s] = news.v[at] ?? null;
            times[s] = news.t[at] ?? 0;
          }
        for (const s of frame.removed ?? []) values[s] = null;
        if (frame.full || frame.series) state.series = series;
        state.values = values;
        state.times = times;
        if (frame.coverage) state.coverage = frame.coverage;
        if (frame.full || frame.more !== undefined) state.more = frame.more ?? 0;
        state.loaded = true;
        state.error = null;
      },
      error: (message) => {
        state.error = message;
        state.loaded = true;
      },
    },
  );
  return state;
}
