/**
 * The clock of a program whose run is recorded or replayed. The kernel loads it before the program and tells it the
 * time in frames of their own; the client passes them on, and waits until what was due before has happened.
 *
 * @module
 */

/** One connection, as the clock sees it. */
export interface ClockLink {
  /** A request left. */
  sent(): void;
  /** A frame about time came. Resolves when the next frame may be looked at. */
  arrived(message: unknown): Promise<void>;
  /** The connection has ended. */
  ended(): void;
}

/**
 * The clock's end for a new connection; null in a program that nobody records or replays.
 *
 * @param ask Asks the kernel for its time; false when this connection cannot.
 */
export function attachClock(ask: () => boolean): ClockLink | null {
  const clock = (globalThis as Record<symbol, unknown>)[Symbol.for("clove.clock")];
  return clock ? (clock as { attach(ask: () => boolean): ClockLink }).attach(ask) : null;
}
