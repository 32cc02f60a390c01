/**
 * Results of calls made with `async: true`, kept until their caller polls. Bounded, and dropped with the caller.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "./limits.ts";
import type { Principal } from "./principals.ts";

/** One finished call, with the original's keys and the ones its SDK looks for. */
export interface AsyncResult {
  readonly request_id: number;
  readonly opcode: number;
  readonly opcode_name: string;
  /** The answer the synchronous call would have given, as JSON text. */
  readonly payload: string;
  readonly success: boolean;
  readonly result: unknown;
  readonly error?: string;
}

interface Pending {
  readonly running: Set<number>;
  readonly finished: AsyncResult[];
  readonly stop: AbortController;
}

/** Runs calls beside their connection and keeps what they answered. */
export class AsyncResults {
  readonly #pending = new Map<Principal, Pending>();
  #last = 0;

  /**
   * Starts a call whose answer will be polled.
   *
   * @param wanted The number the caller chose, or 0.
   * @param run Gives the answer; it never rejects. Its signal fires when the caller goes.
   * @returns The number under which the result will be found.
   * @throws {SyscallError} `limit` when too many are unfinished or unpolled, `conflict` when the number is in use.
   */
  start(
    principal: Principal,
    call: { wanted: number; opcode: number; name: string },
    run: (signal: AbortSignal) => Promise<Record<string, unknown>>,
  ): number {
    const pending = this.#of(principal);
    if (pending.running.size + pending.finished.length >= LIMITS.asyncResults) {
      throw new SyscallError(
        "limit",
        `Cannot start ${call.name}: ${LIMITS.asyncResults} asynchronous results are waiting, poll them first`,
      );
    }
    const id = call.wanted || this.#next(pending);
    if (pending.running.has(id) || pending.finished.some((result) => result.request_id === id)) {
      throw new SyscallError(
        "conflict",
        `Cannot start ${call.name}: request_id ${id} is in use, choose another`,
      );
    }
    pending.running.add(id);
    run(pending.stop.signal).then((answer) => {
      pending.running.delete(id);
      pending.finished.push({
        request_id: id,
        opcode: call.opcode,
        opcode_name: call.name,
        payload: JSON.stringify(answer),
        success: answer.success === true,
        result: answer,
        ...(typeof answer.error === "string" ? { error: answer.error } : {}),
      });
    });
    return id;
  }

  /** Takes finished results in the order in which they finished. */
  poll(principal: Principal, max: number): AsyncResult[] {
    return this.#pending.get(principal)?.finished.splice(0, Math.max(0, max)) ?? [];
  }

  #next(pending: Pending): number {
    do this.#last++; while (pending.running.has(this.#last));
    return this.#last;
  }

  #of(principal: Principal): Pending {
    let pending = this.#pending.get(principal);
    if (!pending) {
      pending = { running: new Set(), finished: [], stop: new AbortController() };
      this.#pending.set(principal, pending);
      const stop = pending.stop;
      principal.onGone(() => {
        stop.abort();
        this.#pending.delete(principal);
      });
    }
    return pending;
  }
}
