/** What is done only while somebody looks: a page in a background tab has no timers of ours, and asks nothing. */

/** Starts it now, or as soon as the page is shown; stops it whenever the page is hidden. The answer ends it for good. */
export function whileShown(start: () => () => void): () => void {
  let stop: (() => void) | null = null;
  const follow = () => {
    if (document.hidden) {
      stop?.();
      stop = null;
    } else stop ??= start();
  };
  follow();
  document.addEventListener('visibilitychange', follow);
  return () => {
    document.removeEventListener('visibilitychange', follow);
    stop?.();
    stop = null;
  };
}

/** Does it now and again `every` ms after it was done, while the page is shown. A slow one is waited for, never doubled. */
export function repeat(run: (signal: AbortSignal) => Promise<void>, every: number): () => void {
  return whileShown(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async () => {
      await run(abort.signal);
      if (!abort.signal.aborted) timer = setTimeout(() => void round(), every);
    };
    void round();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  });
}
