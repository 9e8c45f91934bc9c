/** The page's one connection, as state that Svelte follows; and views that live as long as the component that opened them. */

import { LiveSocket, type Connection, type Reader, type Wire } from './socket';
import type { FrameOf, SpecOf, ViewSpec } from './types';

function address(): string {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return `${scheme}//${location.host}/api/v1/live/views`;
}

class Live {
  connection: Connection = $state.raw({ is: 'asleep', since: Date.now() });
  /** Was there ever an answer? Before that a page is loading, after that it is disconnected. */
  everOpen = $state(false);
  readonly socket: LiveSocket;

  constructor() {
    this.socket = new LiveSocket(
      {
        connect: () => new WebSocket(address()) as unknown as Wire,
        now: () => Date.now(),
        after: (ms, run) => {
          const timer = setTimeout(run, ms);
          return () => clearTimeout(timer);
        },
        chance: Math.random,
      },
      (connection) => {
        this.connection = connection;
        if (connection.is === 'open') this.everOpen = true;
      },
    );
    document.addEventListener('visibilitychange', () => this.socket.hidden(document.hidden));
    window.addEventListener('online', () => this.socket.retry());
  }

  /** Is what the page shows of now? */
  get fresh(): boolean {
    return this.connection.is === 'open';
  }

  /** Opens a view; the answer closes it. */
  open<K extends ViewSpec['kind']>(spec: SpecOf<K>, reader: Reader<FrameOf[K]>): () => void {
    return this.socket.open<K>(spec, reader);
  }
}

export const live = new Live();

/**
 * Follows a view within a component: opened again whenever `spec()` gives another one, closed with the component.
 * `spec()` may give null: nothing to look at.
 */
export function follow<K extends ViewSpec['kind']>(
  spec: () => SpecOf<K> | null,
  reader: Reader<FrameOf[K]> & { opened?: () => void },
): void {
  const text = $derived(JSON.stringify(spec()));
  $effect(() => {
    const now = JSON.parse(text) as SpecOf<K> | null;
    if (!now) return;
    reader.opened?.();
    return live.open<K>(now, reader);
  });
}
