/** What is said for a moment (toasts) and what screen readers are told. */

export interface Toast {
  id: number;
  tone: 'ok' | 'info' | 'warning' | 'critical';
  text: string;
}

const SHOWN_FOR = 6_000;
/** Older ones make room. */
const MOST = 4;

class Notices {
  toasts: Toast[] = $state([]);
  /** Read out when the reader pauses. */
  polite = $state('');
  /** Read out at once. */
  urgent = $state('');
  #next = 1;

  show(text: string, tone: Toast['tone'] = 'info'): void {
    const id = this.#next++;
    this.toasts = [...this.toasts, { id, tone, text }].slice(-MOST);
    // An error stays until somebody closes it.
    if (tone !== 'critical') setTimeout(() => this.close(id), SHOWN_FOR);
  }

  close(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  /** Tells it to screen readers only. */
  announce(text: string, urgent = false): void {
    if (urgent) this.urgent = text;
    else this.polite = text;
  }
}

export const notices = new Notices();
