/**
 * One animation frame for all charts: whoever has something new to show says so, and is drawn when the browser paints next.
 *
 * A frame has a budget: what does not fit is drawn in the following ones, in turn, so that five hundred charts slow down
 * evenly and the page still answers. A hidden tab gets no animation frames, and so draws nothing.
 */

import { whileShown } from '../awake';

/** How long drawing may take within one frame, ms. What is left waits for the next frame. */
const BUDGET = 16;
/** A frame that took longer than this was too full: much of painting happens after our own code, so time alone does not tell. */
const SLOW = 34;
/** Charts in one frame, at most and at least. */
const MOST = 500;
const LEAST = 4;
/** All that wait are drawn within so many frames, however slow these are: a frame has a price of its own, too. */
const ROUND = 10;

type Draw = (now: number) => void;

const waiting = new Map<object, Draw>();
let asked = 0;
/** How many charts a frame takes, by how long the last ones took. */
let quota = 32;
/** When the last frame with drawing was, if more was waiting. */
let last = 0;
/** How many waited at most since nobody did. */
let round = 0;

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
  if (last) quota = Math.min(MOST, Math.max(LEAST, now - last > SLOW ? quota * 0.7 : quota * 1.15));
  const begun = performance.now();
  round = Math.max(round, waiting.size);
  const least = Math.ceil(round / ROUND);
  const most = Math.max(least, Math.round(quota));
  let drawn = 0;
  for (const [who, draw] of waiting) {
    waiting.delete(who);
    draw(now);
    drawn++;
    if (drawn >= most || (drawn >= least && performance.now() - begun > BUDGET)) break;
  }
  last = waiting.size ? now : 0;
  if (waiting.size === 0) round = 0;
  if (waiting.size && !asked) asked = requestAnimationFrame(turn);
}

const beats = new Set<() => void>();
let rest: (() => void) | undefined;

/** Calls back once a second while the page is shown: for axes that move though nothing new came. */
export function everySecond(call: () => void): () => void {
  beats.add(call);
  rest ??= whileShown(() => {
    const timer = setInterval(() => {
      for (const beat of beats) beat();
    }, 1000);
    return () => clearInterval(timer);
  });
  return () => {
    beats.delete(call);
    if (beats.size > 0) return;
    rest?.();
    rest = undefined;
  };
}
