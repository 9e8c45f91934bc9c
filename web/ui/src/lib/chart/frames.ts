/**
 * One animation frame for all charts: whoever has something new to show says so, and is drawn when the browser paints next.
 *
 * A frame has a budget: what does not fit is drawn in the following ones, in turn, so that five hundred charts slow down
 * evenly and the page still answers. A hidden tab gets no animation frames, and so draws nothing.
 */

/** How long drawing may take within one frame, ms. What is left waits for the next frame. */
const BUDGET = 22;

type Draw = (now: number) => void;

const waiting = new Map<object, Draw>();
let asked = 0;

/** Figures of the page's life, for measurements: frames with drawing, and charts drawn. */
export const drawn = { frames: 0, charts: 0, busy: 0 };

/** Draw this in the next frame, once, however often it is asked for before. */
export function request(who: object, draw: Draw): void {
  // One that waits already keeps its turn.
  waiting.set(who, draw);
  if (!asked) asked = requestAnimationFrame(turn);
}

/** Not any more. */
export function withdraw(who: object): void {
  waiting.delete(who);
}

function turn(now: number): void {
  asked = 0;
  const begun = performance.now();
  for (const [who, draw] of waiting) {
    waiting.delete(who);
    draw(now);
    drawn.charts++;
    if (performance.now() - begun > BUDGET) break;
  }
  drawn.frames++;
  drawn.busy += performance.now() - begun;
  if (waiting.size && !asked) asked = requestAnimationFrame(turn);
}

const beats = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Calls back once a second while the page is shown: for axes that move though nothing new came. */
export function everySecond(call: () => void): () => void {
  beats.add(call);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    for (const beat of beats) beat();
  }, 1000);
  return () => {
    beats.delete(call);
    if (beats.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}
