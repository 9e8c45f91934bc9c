import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { repeat } from './awake';

/** As much of a document as is needed. */
const page = {
  hidden: false,
  listeners: new Set<() => void>(),
  addEventListener: (_: string, call: () => void) => page.listeners.add(call),
  removeEventListener: (_: string, call: () => void) => page.listeners.delete(call),
  hide(hidden: boolean) {
    page.hidden = hidden;
    for (const call of page.listeners) call();
  },
};

describe('what is repeated', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('document', page);
    page.hidden = false;
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('rests while the page is hidden, without a timer, and goes on at once when it is shown', async () => {
    let asked = 0;
    const end = repeat(async () => void asked++, 1_000);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(asked).toBe(3);
    page.hide(true);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(3);
    page.hide(false);
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toBe(4);
    end();
    expect([vi.getTimerCount(), page.listeners.size]).toEqual([0, 0]);
  });

  it('waits for a slow one', async () => {
    let asked = 0;
    const end = repeat(async () => {
      asked++;
      await new Promise((done) => setTimeout(done, 5_000));
    }, 1_000);
    await vi.advanceTimersByTimeAsync(5_900);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toBe(2);
    end();
  });
});
