/**
 * How fast a counter grows, the same for everybody who asks: the span that is looked at does not depend on who asked
 * last, and is never so short that the counter's own grain shows.
 *
 * @module
 */

/** The shortest span. Linux counts CPU time in hundredths of a second. */
const SPAN_MS = 1_000;

/** One growing counter. */
export class Rate {
  #from: { at: number; value: number };
  #to: { at: number; value: number };

  /** @param at Milliseconds of a monotonic clock at which the counter had `value`; its true beginning if possible. */
  constructor(at: number, value: number) {
    this.#from = this.#to = { at, value };
  }

  /** Adds a reading and returns growth per millisecond over the last one to two seconds, or since the beginning. */
  next(at: number, value: number): number {
    if (at - this.#to.at >= SPAN_MS) {
      this.#from = this.#to;
      this.#to = { at, value };
    }
    const span = at - this.#from.at;
    return span > 0 ? Math.max(0, value - this.#from.value) / span : 0;
  }
}
