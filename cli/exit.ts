/**
 * Exit statuses, and the errors that carry one.
 *
 * @module
 */

/** What `clove` ends with. `run` and `exec` end with the program's own status instead, or one of the last three. */
export const STATUS = {
  ok: 0,
  /** The kernel refused, or something failed. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** No kernel answers. */
  noKernel: 3,
  /** `run` and `exec`: Clove itself failed, or the command line makes no sense. */
  clove: 125,
  /** `run` and `exec`: refused, or there is something that cannot be run. */
  refused: 126,
  /** `run` and `exec`: there is no such program. */
  missing: 127,
  /** Added to a signal's number. */
  signal: 128,
} as const;

/** A failure that says all there is to say; no stack is shown. */
export class CliError extends Error {
  /** What the process ends with. */
  readonly status: number;

  /** @param message A sentence for the person at the terminal. */
  constructor(status: number, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "CliError";
    this.status = status;
  }
}

/** A command line that makes no sense. */
export class UsageError extends CliError {
  /** @param message Which word, and what is allowed. */
  constructor(message: string) {
    super(STATUS.usage, message);
    this.name = "UsageError";
  }
}

/** Whoever read standard output has stopped reading. */
export class OutputClosed extends Error {
  /** As a shell tells of a program that SIGPIPE ended. */
  readonly status = STATUS.signal + 13;

  /** Nobody is left to read a message. */
  constructor(cause: unknown) {
    super("Cannot write: standard output was closed", { cause });
    this.name = "OutputClosed";
  }
}
