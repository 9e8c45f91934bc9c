/**
 * The one WebSocket of this page: carries any number of live views, opens them again after every reconnect, and is closed while
 * nobody looks. It knows neither Svelte nor the DOM: what it needs of the browser is given to it.
 */

import type { ClientMessage, FrameOf, ServerMessage, SpecOf, ViewSpec } from './types';

/** What became of the connection. */
export type Connection =
  | { is: 'connecting'; tries: number; since: number }
  | { is: 'open'; since: number }
  /** Lost; tried again at `retryAt`. */
  | { is: 'waiting'; tries: number; since: number; retryAt: number }
  /** Closed on purpose, as nobody looks. */
  | { is: 'asleep'; since: number };

/** The part of a browser's WebSocket that is used here. */
export interface Wire {
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
}

/** The browser around it. */
export interface Around {
  connect(): Wire;
  now(): number;
  after(ms: number, run: () => void): () => void;
  /** 0..1, to spread the reconnects of many pages. */
  chance(): number;
}

export interface Reader<F> {
  frame(frame: F): void;
  /** The server has ended this view; it is not opened again. */
  error(message: string): void;
}

interface Held {
  spec: ViewSpec;
  reader: Reader<unknown>;
  /** The server said that it is over. */
  over: boolean;
}

/** How long a page may be hidden before the connection is given up. */
export const HIDDEN_FOR = 5_000;
const FIRST_RETRY = 500;
/** Later tries are never further apart than this. */
const LONGEST_RETRY = 15_000;
/** A connection that lasted this long was a good one: the next retry is soon. */
const LASTED = 3_000;

/** The wait before try number `tries` (from 1), spread by a fifth. */
export function retryAfter(tries: number, chance: number): number {
  const plain = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.max(0, Math.min(tries, 20) - 1));
  return Math.round(plain * (0.8 + 0.4 * chance));
}

export class LiveSocket {
  #around: Around;
  #told: (connection: Connection) => void;
  #views = new Map<number, Held>();
  #next = 1;
  #wire: Wire | null = null;
  #tries = 0;
  #connection: Connection;
  #cancelTimer: (() => void) | null = null;
  #hidden = false;

  constructor(around: Around, told: (connection: Connection) => void = () => {}) {
    this.#around = around;
    this.#told = told;
    this.#connection = { is: 'asleep', since: around.now() };
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** How many views are open. */
  get views(): number {
    return this.#views.size;
  }

  /** Opens a view; the answer closes it. The connection is made with the first one. */
  open<K extends ViewSpec['kind']>(spec: SpecOf<K>, reader: Reader<FrameOf[K]>): () => void {
    const id = this.#next++;
    this.#views.set(id, { spec, reader: reader as Reader<unknown>, over: false });
    if (this.#connection.is === 'open') this.#send({ open: id, view: spec });
    else if (this.#connection.is === 'asleep' && !this.#hidden) this.#connect();
    return () => this.#close(id);
  }

  /** The page is hidden, or looked at again. */
  hidden(hidden: boolean): void {
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    if (!hidden) {
      if (this.#connection.is === 'open') this.#clearTimer();
      else this.retry();
    } else if (this.#connection.is !== 'asleep') {
      this.#clearTimer();
      this.#cancelTimer = this.#around.after(HIDDEN_FOR, () => this.#sleep());
    }
  }

  /** Tries now instead of later. */
  retry(): void {
    if (this.#connection.is === 'open' || this.#connection.is === 'connecting') return;
    if (this.#views.size > 0 && !this.#hidden) this.#connect();
  }

  #close(id: number): void {
    const held = this.#views.get(id);
    if (!held) return;
    this.#views.delete(id);
    if (this.#connection.is === 'open' && !held.over) this.#send({ close: id });
  }

  #connect(): void {
    this.#clearTimer();
    this.#tell({ is: 'connecting', tries: this.#tries, since: this.#around.now() });
    let wire: Wire;
    try {
      wire = this.#around.connect();
    } catch {
      this.#lost();
      return;
    }
    this.#wire = wire;
    wire.onopen = () => {
      if (wire !== this.#wire) return;
      this.#tell({ is: 'open', since: this.#around.now() });
      for (const [id, held] of this.#views) {
        held.over = false;
        this.#send({ open: id, view: held.spec });
      }
    };
    wire.onmessage = (event) => {
      if (wire === this.#wire) this.#take(event.data);
    };
    wire.onclose = wire.onerror = () => {
      if (wire === this.#wire) this.#lost();
    };
  }

  #lost(): void {
    this.#drop();
    const now = this.#around.now();
    if (this.#connection.is === 'open' && now - this.#connection.since >= LASTED) this.#tries = 0;
    this.#tries += 1;
    if (this.#hidden || this.#views.size === 0) {
      this.#tell({ is: 'asleep', since: now });
      return;
    }
    const wait = retryAfter(this.#tries, this.#around.chance());
    this.#tell({ is: 'waiting', tries: this.#tries, since: now, retryAt: now + wait });
    this.#clearTimer();
    this.#cancelTimer = this.#around.after(wait, () => this.#connect());
  }

  #sleep(): void {
    this.#cancelTimer = null;
    this.#drop();
    this.#tries = 0;
    this.#tell({ is: 'asleep', since: this.#around.now() });
  }

  #take(data: unknown): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(String(data)) as ServerMessage;
    } catch {
      return;
    }
    const held = this.#views.get(message.view);
    if (!held) return;
    if ('error' in message) {
      held.over = true;
      held.reader.error(message.error);
    } else {
      this.#tries = 0;
      held.reader.frame(message.frame);
    }
  }

  #send(message: ClientMessage): void {
    this.#wire?.send(JSON.stringify(message));
  }

  #drop(): void {
    const wire = this.#wire;
    this.#wire = null;
    if (!wire) return;
    wire.onopen = wire.onmessage = wire.onclose = wire.onerror = null;
    wire.close();
  }

  #clearTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #tell(connection: Connection): void {
    this.#connection = connection;
    this.#told(connection);
  }
}
