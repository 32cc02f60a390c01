/**
 * Removes what has expired. Expired rows are invisible at once; this only makes room, and tells.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { RemovedRow, Rows } from "./rows.ts";

/** Rows that one transaction removes: about a millisecond of the event loop. */
export const SWEEP_ROWS = 256;
/** Moments this close together are swept together. */
const TOGETHER_MS = 100;
/** After a failure: a full disk needs a person. */
const RETRY_MS = 60_000;

/** One timer, for the row that expires next. */
export class Expiry {
  readonly #rows: Rows;
  readonly #clock: Clock;
  readonly #swept: (row: RemovedRow) => void;
  readonly #failed: (error: unknown) => void;
  /** When the timer fires, in epoch milliseconds. */
  #due = Infinity;
  /** No sweep before this. */
  #earliest = 0;
  #cancel: (() => void) | null = null;
  #closed = false;

  /** @param told Gets every removed row once its removal is durable, and what went wrong. */
  constructor(
    rows: Rows,
    clock: Clock,
    told: { swept(row: RemovedRow): void; failed(error: unknown): void },
  ) {
    this.#rows = rows;
    this.#clock = clock;
    this.#swept = told.swept;
    this.#failed = told.failed;
    this.#planNext();
  }

  /** A row expires then, in epoch milliseconds. */
  at(moment: number): void {
    if (moment < this.#due && !this.#closed) this.#plan(moment);
  }

  /** No more timers. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #plan(moment: number): void {
    this.#cancel?.();
    this.#due = Math.max(moment, this.#earliest);
    // Rounded up: a timer that fires within the millisecond before would find nothing.
    this.#cancel = this.#clock.timer(Math.ceil(this.#due - this.#clock.now()), () => {
      this.#due = Infinity;
      this.#sweep().catch((error) => {
        if (this.#closed) return;
        this.#failed(error);
        this.#earliest = this.#clock.now() + RETRY_MS;
        this.#plan(this.#earliest);
      });
    });
  }

  async #sweep(): Promise<void> {
    const removed = await this.#rows.write([], (rows) => rows.sweep(SWEEP_ROWS));
    this.#earliest = removed.length === SWEEP_ROWS ? 0 : this.#clock.now() + TOGETHER_MS;
    for (const row of removed) this.#swept(row);
    this.#planNext();
  }

  #planNext(): void {
    const next = this.#rows.nextExpiry();
    if (next !== null && next < this.#due && !this.#closed) this.#plan(next);
  }
}
