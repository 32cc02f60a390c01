/**
 * Whose fault it was that a conversation ended.
 *
 * @module
 */
import { HeadError } from "./bytes.ts";
import { ConnectionClosed, EgressError } from "./errors.ts";
import { HttpSyntaxError } from "./http1.ts";
import { SocksError } from "./socks.ts";

/** True for what a connection, or whoever is at its other end, can bring about; false for mistakes of ours. */
export function isConnectionFault(error: unknown): boolean {
  if (
    error instanceof ConnectionClosed || error instanceof EgressError || error instanceof HttpSyntaxError ||
    error instanceof HeadError || error instanceof SocksError
  ) return true;
  // Of the machine, such as ECONNRESET and EPIPE; node:stream says ERR_STREAM_… for a write after the end.
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && /^(?:E[A-Z0-9]+|ERR_STREAM_[A-Z_]+|ERR_SOCKET_[A-Z_]+)$/.test(code);
}
