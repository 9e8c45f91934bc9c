import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** A browser whose frames take as long as they are told to. */
describe('the shared animation frame', () => {
  let frames: ((now: number) => void)[] = [];
  let time = 0;
  const next = (took = 16) => {
    time += took;
    const due = frames;
    frames = [];
    for (const frame of due) frame(time);
  };

  beforeEach(() => {
    frames = [];
    time = 1000;
    vi.stubGlobal('requestAnimationFrame', (frame: (now: number) => void) => frames.push(frame));
    vi.stubGlobal('performance', { now: () => time });
    vi.resetModules();
  });
  afterEach(() => vi.unstubAllGlobals());

  it('draws each once, however often it was asked for', async () => {
    const { request } = await import('./frames');
    const drawn: string[] = [];
    const a = {};
    for (let i = 0; i < 5; i++) request(a, () => drawn.push('a'));
    request({}, () => drawn.push('b'));
    expect(frames).toHaveLength(1);
    next();
    next();
    expect(drawn).toEqual(['a', 'b']);
    expect(frames).toHaveLength(0);
  });

  it('what was withdrawn is not drawn', async () => {
    const { request, withdraw } = await import('./frames');
    const a = {};
    const draw = vi.fn();
    request(a, draw);
    withdraw(a);
    next();
    expect(draw).not.toHaveBeenCalled();
  });

  it('five hundred are all drawn within ten frames, each once, even where frames are slow and each draw takes long', async () => {
    const { request } = await import('./frames');
    const drawn = new Map<number, number>();
    for (let i = 0; i < 500; i++)
      request({ i }, () => {
        drawn.set(i, (drawn.get(i) ?? 0) + 1);
        time += 5;
      });
    for (let i = 0; i < 10; i++) next(400);
    expect(drawn.size).toBe(500);
    expect(new Set(drawn.values())).toEqual(new Set([1]));
    expect(frames).toHaveLength(0);
  });

  it('quick ones share a frame until it is full', async () => {
    const { request } = await import('./frames');
    const perFrame: number[] = [];
    let count = 0;
    for (let i = 0; i < 60; i++)
      request({ i }, () => {
        count++;
        time += 1;
      });
    while (frames.length) {
      count = 0;
      next();
      perFrame.push(count);
    }
    expect(perFrame[0]).toBeGreaterThan(10);
    expect(Math.max(...perFrame)).toBeLessThanOrEqual(20);
  });
});
