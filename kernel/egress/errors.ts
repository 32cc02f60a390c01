/**
 * What goes wrong on the way out.
 *
 * @module
 */
import type { Receipt, Refused } from "../../permissions/mod.ts";

/** Words a program switches on; a subset of the codes every syscall answers with. */
export type EgressCode = "bad_request" | "denied" | "limit" | "timeout" | "cancelled" | "unavailable";

/** A request that could not be made, or could not be finished. */
export class EgressError extends Error {
  /** The kind of failure. */
  readonly code: EgressCode;
  /** For `denied`: what was missing. */
  readonly receipt: Receipt | null;

  /**
   * @param code The kind of failure.
   * @param message A sentence in the project's error style.
   * @param options `receipt` of a refusal, `cause` of a failure underneath.
   */
  constructor(code: EgressCode, message: string, options: { receipt?: Receipt; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EgressError";
    this.code = code;
    this.receipt = options.receipt ?? null;
  }

  /** The error for a gate's refusal. */
  static denied(verdict: Refused): EgressError {
    return new EgressError("denied", verdict.reason, { receipt: verdict.receipt });
  }
}

/** A connection that is gone, where neither side said why. */
export class ConnectionClosed extends Error {
  /** @param message Such as `the connection was closed`, a part of a sentence. */
  constructor(message = "the connection was closed", options?: ErrorOptions) {
    super(message, options);
    this.name = "ConnectionClosed";
  }
}

/** The word for what the operating system said, such as `ECONNREFUSED`, or the message where there is none. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    return typeof code === "string" ? code : error.message;
  }
  return String(error);
}
