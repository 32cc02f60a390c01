/**
 * How late the event loop is: the time by which a timer misses its moment is the time that others wait too.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import { Histogram } from "./calls.ts";

/** Rare enough to cost nothing, often enough to catch what holds the loop up now and then. */
const EVERY_MS = 100;

/** Measures from now until stopped. */
export class LoopDelay {
  readonly histogram: Histogram = new Histogram();
  readonly #clock: Clock;
  #cancel: () => void = () => {};

  /** Begins. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#again();
  }

  /** Ends. */
  stop(): void {
    this.#cancel();
  }

  #again(): void {
    const due = this.#clock.monotonic() + EVERY_MS;
    this.#cancel = this.#clock.timer(EVERY_MS, () => {
      this.histogram.observe(Math.max(0, this.#clock.monotonic() - due) / 1_000);
      this.#again();
    });
  }
}
