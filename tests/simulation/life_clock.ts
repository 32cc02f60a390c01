/**
 * The clock of one life of a kernel: what it planned dies with it, while time itself goes on.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";

/** A view on a simulation's time that can be taken away. */
export class LifeClock implements Clock {
  /** Added to durations: work that takes time without giving the event loop a turn. */
  workMs = 0;
  readonly #time: Clock;
  readonly #pending = new Set<() => void>();
  #over = false;

  /** @param time The simulation's own clock. */
  constructor(time: Clock) {
    this.#time = time;
  }

  /** Timers that are set and have not fired. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Nothing fires any more. */
  end(): void {
    this.#over = true;
    for (const cancel of this.#pending) cancel();
    this.#pending.clear();
  }

  /** See {@link Clock.now}. */
  now(): number {
    return this.#time.now();
  }

  /** See {@link Clock.monotonic}. */
  monotonic(): number {
    return this.#time.monotonic() + this.workMs;
  }

  /** See {@link Clock.timer}. */
  timer(ms: number, fn: () => void): () => void {
    if (this.#over) return () => {};
    const stop = this.#time.timer(ms, () => {
      this.#pending.delete(stop);
      fn();
    });
    this.#pending.add(stop);
    return () => {
      this.#pending.delete(stop);
      stop();
    };
  }

  /** See {@link Clock.sleep}. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const aborted = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.timer(ms, () => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      });
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }
}
