/**
 * Errors that cross the socket.
 *
 * @module
 */

/** The words an error answer can carry in `code`. Programs switch on them; the list only grows. */
export const ERROR_CODES = [
  "bad_request",
  "denied",
  "not_found",
  "conflict",
  "limit",
  "quota",
  "timeout",
  "cancelled",
  "unavailable",
  "unsupported",
  "internal",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Why something was refused, and how to get it. All four are in policy syntax or plain words. */
export interface Receipt {
  /** What was needed, such as `fs.read:/etc/shadow`. */
  readonly need: string;
  /** The rule that decided, such as `level sandboxed: fs.read allows /work/**`. */
  readonly rule: string;
  /** The capability that would have allowed it. */
  readonly missing: string;
  /** A command an operator can run to grant it. */
  readonly ask: string;
}

/** A request that failed in a way its caller can act on. */
export class SyscallError extends Error {
  /** The word to switch on. */
  readonly code: ErrorCode;
  /** Present when the code is `denied`. */
  readonly receipt: Receipt | null;
  /** Further keys of the answer, such as what was captured before a timeout. */
  readonly details: Readonly<Record<string, unknown>>;

  /** The message is a sentence for people: the act, the value, the state, the remedy. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { receipt?: Receipt; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "SyscallError";
    this.code = code;
    this.receipt = options.receipt ?? null;
    this.details = options.details ?? {};
  }
}
