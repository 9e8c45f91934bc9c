import { beforeEach, describe, expect, it } from 'vitest';
import { HIDDEN_FOR, LiveSocket, retryAfter, type Connection, type Wire } from './socket';
import type { MeshFrame } from './types';

class FakeWire implements Wire {
  sent: unknown[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

class Rig {
  wires: FakeWire[] = [];
  time = 0;
  timers: { at: number; run: () => void }[] = [];
  told: Connection['is'][] = [];
  socket = new LiveSocket(
    {
      connect: () => {
        const wire = new FakeWire();
        this.wires.push(wire);
        return wire;
      },
      now: () => this.time,
      after: (ms, run) => {
        const timer = { at: this.time + ms, run };
        this.timers.push(timer);
        return () => (this.timers = this.timers.filter((one) => one !== timer));
      },
      chance: () => 0.5,
    },
    (connection) => this.told.push(connection.is),
  );
  get wire(): FakeWire {
    const wire = this.wires.at(-1);
    if (!wire) throw new Error('nothing was connected');
    return wire;
  }
  pass(ms: number): void {
    this.time += ms;
    const due = this.timers.filter((timer) => timer.at <= this.time);
    this.timers = this.timers.filter((timer) => timer.at > this.time);
    for (const timer of due) timer.run();
  }
}

const frame = { now: 1, mesh: 'm', totals: {} };

describe('the live socket', () => {
  let rig: Rig;
  let frames: MeshFrame[];
  let errors: string[];
  const reader = () => ({
    frame: (one: MeshFrame) => void frames.push(one),
    error: (text: string) => void errors.push(text),
  });
  beforeEach(() => {
    rig = new Rig();
    frames = [];
    errors = [];
  });

  it('connects with the first view and opens each once', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    expect(rig.wires).toHaveLength(1);
    expect(rig.wire.sent).toEqual([]);
    rig.wire.onopen?.();
    rig.socket.open<'alarms'>({ kind: 'alarms' }, { frame: () => {}, error: () => {} });
    expect(rig.wire.sent).toEqual([
      { open: 1, view: { kind: 'mesh' } },
      { open: 2, view: { kind: 'alarms' } },
    ]);
  });

  it('gives frames to the view that they are of, and none after it is closed', () => {
    const close = rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.wire.say({ view: 1, frame });
    rig.wire.say({ view: 9, frame });
    close();
    rig.wire.say({ view: 1, frame });
    expect(frames).toHaveLength(1);
    expect(rig.wire.sent.at(-1)).toEqual({ close: 1 });
  });

  it('opens all views again after a loss, later and later', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.wire.onclose?.();
    expect(rig.socket.connection).toMatchObject({ is: 'waiting', retryAt: 500 });
    rig.pass(500);
    rig.wire.onerror?.();
    expect(rig.socket.connection).toMatchObject({ is: 'waiting', retryAt: 1_500 });
    rig.pass(1_000);
    expect(rig.wires).toHaveLength(3);
    rig.wire.onopen?.();
    expect(rig.wire.sent).toEqual([{ open: 1, view: { kind: 'mesh' } }]);
  });

  it('tries at once when somebody asks for it', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onclose?.();
    rig.socket.retry();
    expect(rig.wires).toHaveLength(2);
    expect(rig.timers).toHaveLength(0);
  });

  it('closes while the page is hidden, and not before five seconds', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.socket.hidden(true);
    rig.pass(HIDDEN_FOR - 1);
    expect(rig.wire.closed).toBe(false);
    rig.pass(1);
    expect(rig.wire.closed).toBe(true);
    expect(rig.socket.connection.is).toBe('asleep');
    rig.socket.hidden(false);
    expect(rig.wires).toHaveLength(2);
    rig.wire.onopen?.();
    expect(rig.wire.sent).toEqual([{ open: 1, view: { kind: 'mesh' } }]);
  });

  it('stays open over a short look elsewhere', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.socket.hidden(true);
    rig.pass(1_000);
    rig.socket.hidden(false);
    rig.pass(60_000);
    expect(rig.wires).toHaveLength(1);
    expect(rig.wire.closed).toBe(false);
  });

  it('does not reconnect while hidden', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.socket.hidden(true);
    rig.wire.onclose?.();
    rig.pass(600_000);
    expect(rig.wires).toHaveLength(1);
    rig.socket.hidden(false);
    expect(rig.wires).toHaveLength(2);
  });

  it('tells a view that is over, and goes on with the others', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh', template: 'group=' }, reader());
    rig.wire.onopen?.();
    rig.wire.say({ view: 1, error: 'expected a value' });
    expect(errors).toEqual(['expected a value']);
    expect(rig.socket.connection.is).toBe('open');
  });

  it('passes over what is no message', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    rig.wire.onopen?.();
    rig.wire.onmessage?.({ data: 'no json' });
    expect(frames).toHaveLength(0);
    expect(rig.socket.connection.is).toBe('open');
  });

  it('ignores a socket that was replaced', () => {
    rig.socket.open<'mesh'>({ kind: 'mesh' }, reader());
    const old = rig.wire;
    const oldMessage = old.onmessage;
    old.onclose?.();
    rig.pass(500);
    rig.wire.onopen?.();
    oldMessage?.({ data: JSON.stringify({ view: 1, frame }) });
    expect(frames).toHaveLength(0);
  });
});

describe('waiting before a retry', () => {
  it('grows, is bounded, and is spread', () => {
    expect([1, 2, 3, 4].map((tries) => retryAfter(tries, 0.5))).toEqual([500, 1_000, 2_000, 4_000]);
    expect(retryAfter(50, 0.5)).toBe(15_000);
    expect(retryAfter(50, 1)).toBeLessThanOrEqual(18_000);
    expect(retryAfter(1, 0)).toBe(400);
  });
});
