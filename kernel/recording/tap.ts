/**
 * What a connection tells of itself while somebody records or replays it: each frame it took and each it gave, in the
 * order in which its peer sent and saw them.
 *
 * @module
 */
import type { Answer } from "../dispatch.ts";
import type { Principal } from "../principals.ts";

/** A request as it came. */
export interface TappedCall {
  readonly opcode: number;
  readonly payload: Uint8Array;
  /** True when the payload has a BINARY tail. */
  readonly binary: boolean;
}

/** A part of a stream, or a frame of a subscription. */
export interface TappedFrame {
  /** The number of the request it belongs to. */
  readonly id: number;
  /** `FLAGS` of the wire. */
  readonly flags: number;
  readonly json: unknown;
  readonly tail: Uint8Array | null;
}

/** Listens at a connection. Numbers are those of requests in protocol 2, and 0 in protocol 1. */
export interface Tap {
  /** A request came. */
  called(connection: object, caller: Principal, id: number, call: TappedCall): void;
  /** The client asked to stop a request or a subscription. */
  cancelled(connection: object, id: number): void;
  /**
   * An answer is about to leave.
   *
   * @returns The recorded time, for a client with a virtual clock; null when nobody records this connection.
   */
  answering(connection: object, id: number, answer: Answer): number | null;
  /** A part or a pushed frame is about to leave; returns as {@link answering}. */
  pushing(connection: object, frame: TappedFrame): number | null;
  /** The recorded time; null when nobody records this connection. */
  timeOf(connection: object): number | null;
}
