/**
 * Errors of the client itself. What the kernel answers is a `SyscallError`, from the protocol.
 *
 * @module
 */

/** There is no connection, or it broke. A request is never repeated behind its caller's back: decide by {@link sent}. */
export class ConnectionError extends Error {
  /** True when the request may have reached the kernel; false when not one byte of it left this process. */
  readonly sent: boolean;

  /** Says what broke; `sent` is about the request that fails with this error, false when there is none. */
  constructor(message: string, options: { sent?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "ConnectionError";
    this.sent = options.sent ?? false;
  }
}

/** The time that the caller gave a request is over. The kernel has been told to stop it (protocol 2). */
export class TimeoutError extends Error {
  /** The time that was given, in milliseconds. */
  readonly timeoutMs: number;

  /** Names the request and its time. */
  constructor(message: string, timeoutMs: number) {
    super(message);
    this.name = "TimeoutError";
    this.timeoutMs = timeoutMs;
  }
}

/** The other side does not speak the protocol. The connection is closed. */
export class ProtocolError extends Error {
  /** Says what came instead. */
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "ProtocolError";
  }
}
