/**
 * So many in a time, for one asker.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";

/** A bucket that fills with time and is emptied by acts. */
export class Rate {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #perMs: number;
  #left: number;
  #at: number;

  /** @param most At once, and in each `windowMs`. */
  constructor(clock: Clock, most: number, windowMs: number) {
    this.#clock = clock;
    this.#most = most;
    this.#perMs = most / windowMs;
    this.#left = most;
    this.#at = clock.monotonic();
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
