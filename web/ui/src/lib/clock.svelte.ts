/** The time, once a second while somebody looks; and how far the server's clock is from this one. */

class Clock {
  /** This machine's time, ms. */
  now = $state(Date.now());
  /** The server's clock is this much ahead, ms. */
  #ahead = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.#follow();
    document.addEventListener('visibilitychange', () => this.#follow());
  }

  /** The server said what time it has. */
  told(serverNow: number): void {
    const ahead = serverNow - Date.now();
    // Less than a second is the way of the frame, not a wrong clock.
    this.#ahead = Math.abs(ahead) < 1_000 ? 0 : ahead;
  }

  /** The time at the server; reading it follows the clock. */
  get server(): number {
    return this.now + this.#ahead;
  }

  #follow(): void {
    clearInterval(this.#timer);
    this.now = Date.now();
    if (!document.hidden) this.#timer = setInterval(() => (this.now = Date.now()), 1_000);
  }
}

export const clock = new Clock();
