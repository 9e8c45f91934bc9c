/** The session: a token from the link that `hedgerow up` prints. Without it this page only reads. */

const KEY = 'hedgerow-session';

function stored(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

class Session {
  token: string | null = $state(null);
  /** What the server said of the token: null while it has not been asked. */
  accepted: boolean | null = $state(null);

  constructor() {
    this.token = stored();
  }

  /** May this page change something, as far as it knows? */
  get canChange(): boolean {
    return this.token !== null && this.accepted !== false;
  }

  /** Takes the token out of the address, where a fragment `#session=` has it. */
  takeFromAddress(): void {
    const found = /^#session=([A-Za-z0-9_-]{16,200})$/.exec(location.hash);
    if (!location.hash.startsWith('#session=')) return;
    history.replaceState(history.state, '', location.pathname + location.search);
    if (found?.[1]) this.set(found[1]);
  }

  set(token: string | null): void {
    this.token = token;
    this.accepted = null;
    try {
      if (token === null) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, token);
    } catch {
      // A browser that keeps nothing: the session lasts until the page is left.
    }
  }
}

export const session = new Session();

/** A token as people paste it: bare, or within the link. */
export function tokenIn(text: string): string | null {
  const found = /(?:#session=)?([A-Za-z0-9_-]{16,200})\s*$/.exec(text.trim());
  return found?.[1] ?? null;
}
