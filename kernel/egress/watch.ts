/**
 * Everything of one agent that is open: looked at again when its rights change, and when a right may have expired.
 *
 * @module
 */
import { EgressError } from "./errors.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import type { Passage } from "./passage.ts";

/** See above. Keeps a timer while, and only while, something is open. */
export class PassageWatch {
  readonly #limits: EgressLimits;
  readonly #passages = new Set<Passage>();
  #ticker: ReturnType<typeof setInterval> | null = null;

  /** @param limits Bounds to change. */
  constructor(limits: Partial<EgressLimits> = {}) {
    this.#limits = { ...EGRESS_LIMITS, ...limits };
  }

  /** Requests and tunnels under way. */
  get size(): number {
    return this.#passages.size;
  }

  /** Watches a passage until {@link leave}. */
  enter(passage: Passage): void {
    this.#passages.add(passage);
    this.#ticker ??= setInterval(() => this.#tick(), this.#limits.recheckMs);
  }

  /** Forgets a passage that has ended. @returns Whether it was watched. */
  leave(passage: Passage): boolean {
    const known = this.#passages.delete(passage);
    if (this.#passages.size === 0 && this.#ticker !== null) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
    return known;
  }

  /**
   * Asks the gate again about everything that is open, and ends what it no longer allows.
   *
   * @returns How many were ended.
   */
  recheck(): number {
    let ended = 0;
    for (const passage of [...this.#passages]) {
      try {
        passage.recheck();
      } catch (error) {
        passage.abort(passage.fail(error));
        ended++;
      }
    }
    return ended;
  }

  /** Ends everything that is open. */
  abort(failure: EgressError): void {
    for (const passage of [...this.#passages]) passage.abort(failure);
  }

  #tick(): void {
    const { idleMs } = this.#limits;
    for (const passage of [...this.#passages]) {
      if (passage.idleMs < idleMs) continue;
      passage.abort(new EgressError("timeout", `Cannot go on: nothing moved for ${idleMs} ms`));
    }
    this.recheck();
  }
}
