/**
 * Who can be seen: one observer for all charts, of two kinds. *Seen* is on the screen, and drawn; *near* is within a screen or
 * two, and fed, so that it is there when one scrolls to it.
 */

export type Sight = 'far' | 'near' | 'seen';

/** How far from the screen something is still fed. */
const MARGIN = '800px 0px';
/** How long something has to be far before it is told so: who scrolls past and back loses nothing. */
const PATIENCE = 3000;

interface Entry {
  tell: (sight: Sight) => void;
  near: boolean;
  seen: boolean;
  told: Sight;
  leaving?: ReturnType<typeof setTimeout>;
}

const entries = new WeakMap<Element, Entry>();
let observers: { near: IntersectionObserver; seen: IntersectionObserver } | undefined;

function observer(kind: 'near' | 'seen'): IntersectionObserver {
  return new IntersectionObserver(
    (changes) => {
      for (const change of changes) {
        const entry = entries.get(change.target);
        if (!entry) continue;
        entry[kind] = change.isIntersecting;
        update(entry);
      }
    },
    { rootMargin: kind === 'near' ? MARGIN : '0px' },
  );
}

function update(entry: Entry): void {
  const sight: Sight = entry.seen ? 'seen' : entry.near ? 'near' : 'far';
  clearTimeout(entry.leaving);
  if (sight === entry.told) return;
  const tell = () => {
    entry.told = sight;
    entry.tell(sight);
  };
  if (sight === 'far') entry.leaving = setTimeout(tell, PATIENCE);
  else tell();
}

/** Tells what becomes of this element's sight, from `far` on. The answer ends it. */
export function watchSight(element: Element, tell: (sight: Sight) => void): () => void {
  observers ??= { near: observer('near'), seen: observer('seen') };
  const entry: Entry = { tell, near: false, seen: false, told: 'far' };
  entries.set(element, entry);
  observers.near.observe(element);
  observers.seen.observe(element);
  return () => {
    observers?.near.unobserve(element);
    observers?.seen.unobserve(element);
    clearTimeout(entry.leaving);
    entries.delete(element);
  };
}
