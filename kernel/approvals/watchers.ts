/**
 * Who wants to know of questions and answers as they come.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import type { Approval } from "./approval.ts";

/** What happened to a question. */
export interface ApprovalNews {
  readonly action: "asked" | "granted" | "denied" | "expired" | "withdrawn";
  readonly approval: Approval;
}

/** One watcher's queue. One that does not keep up loses the oldest news: all that is pending can be listed. */
export class ApprovalWatcher {
  readonly #waiting: ApprovalNews[] = [];
  #wake: (() => void) | null = null;

  /** Adds what happened. */
  add(news: ApprovalNews): void {
    this.#waiting.push(news);
    if (this.#waiting.length > LIMITS.eventQueue) this.#waiting.shift();
    this.#wake?.();
  }

  /** Waits until there is something, and takes it. */
  async take(signal: AbortSignal): Promise<ApprovalNews[]> {
    while (this.#waiting.length === 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = () => {
          signal.removeEventListener("abort", this.#wake!);
          resolve();
        };
        signal.addEventListener("abort", this.#wake, { once: true });
      });
      this.#wake = null;
    }
    return this.#waiting.splice(0);
  }
}
