/** What keys do on a chart: walk in time, zoom, go back. */

export interface Walker {
  /** The window, and where the cursor is. */
  window: [from: number, to: number];
  at: number | null;
  bin: number;
  point(t: number | null): void;
  range(from: number, to: number): void;
  back(): void;
}

/** Does what the key means; false: it means nothing here. */
export function walk(event: KeyboardEvent, on: Walker): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const [from, to] = on.window;
  const now = on.at ?? to;
  const step = Math.max(on.bin, (to - from) / 400) * (event.shiftKey ? 10 : 1);
  const zoom = (by: number) => {
    const half = ((to - from) * by) / 2;
    const middle = Math.min(Math.max(now, from + half), by < 1 ? to - half : now);
    on.range(middle - half, middle + half);
  };
  const acts: Record<string, () => void> = {
    ArrowLeft: () => on.point(Math.max(from, now - step)),
    ArrowRight: () => on.point(Math.min(to, now + step)),
    Home: () => on.point(from),
    End: () => on.point(to),
    Escape: () => on.point(null),
    Backspace: () => on.back(),
    '+': () => zoom(0.5),
    '=': () => zoom(0.5),
    '-': () => zoom(2),
  };
  const act = acts[event.key];
  if (!act) return false;
  event.preventDefault();
  act();
  return true;
}
