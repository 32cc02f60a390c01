/**
 * Streams and subscriptions of one protocol 2 connection, with flow control: each may send as many bytes as the
 * client has granted it, and waits for more.
 *
 * @module
 */
import { FLAGS, SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "./limits.ts";
import type { PushWriter, StreamWriter } from "./syscall.ts";

/** Sends a frame; says how many bytes it took, which is what credit is counted in. */
type Send = (
  frame: { id: number; opcode: number; flags: number; json: unknown; tail: Uint8Array | null },
) => number;

interface Stream {
  readonly opcode: number;
  credit: number;
  /** Woken when credit came, or when the stream ends. */
  wake: (() => void) | null;
  readonly push: Push | null;
}

/** One subscription: frames that the kernel starts. */
class Push implements PushWriter {
  onReady: (() => void) | null = null;
  readonly #send: (json: unknown) => boolean;
  readonly #end: () => void;
  readonly onClosed: () => void;

  constructor(send: (json: unknown) => boolean, end: () => void, onClosed: () => void) {
    this.#send = send;
    this.#end = end;
    this.onClosed = onClosed;
  }

  push(json: unknown): boolean {
    return this.#send(json);
  }

  close(): void {
    this.#end();
  }
}

/** The table of what is open. */
export class Streams {
  readonly #open = new Map<number, Stream>();
  readonly #send: Send;
  /** True when no more credit can come. */
  #starved = false;

  /** @param send Puts a frame on the wire. */
  constructor(send: Send) {
    this.#send = send;
  }

  /** True while a stream or subscription has this number. */
  has(id: number): boolean {
    return this.#open.has(id);
  }

  /** Opens the way for the parts of an answer. */
  open(id: number, opcode: number, signal: AbortSignal): StreamWriter {
    const stream: Stream = { opcode, credit: LIMITS.streamCreditBytes, wake: null, push: null };
    this.#add(id, stream);
    signal.addEventListener("abort", () => stream.wake?.(), { once: true });
    return {
      write: async (json, tail) => {
        while (stream.credit <= 0 && !signal.aborted) {
          if (this.#starved) {
            throw new SyscallError(
              "cancelled",
              "Cannot go on: the client ended its side without more credit",
            );
          }
          await new Promise<void>((resolve) => stream.wake = resolve);
          stream.wake = null;
        }
        signal.throwIfAborted();
        if (this.#open.get(id) !== stream) throw new SyscallError("cancelled", "The stream was closed");
        stream.credit -= this.#send({ id, opcode, flags: FLAGS.MORE, json, tail: tail ?? null });
      },
    };
  }

  /** Opens a subscription, which lives on after its request was answered. */
  push(id: number, opcode: number, onClosed: () => void): PushWriter {
    const push = new Push(
      (json) => {
        const stream = this.#open.get(id);
        if (!stream || stream.credit <= 0) return false;
        stream.credit -= this.#send({ id, opcode, flags: FLAGS.PUSH | FLAGS.MORE, json, tail: null });
        return true;
      },
      () => {
        if (!this.#open.delete(id)) return;
        this.#send({ id, opcode, flags: FLAGS.PUSH, json: { closed: true }, tail: null });
        onClosed();
      },
      onClosed,
    );
    this.#add(id, { opcode, credit: LIMITS.streamCreditBytes, wake: null, push });
    return push;
  }

  /** The request was answered: its stream is over, a subscription goes on. */
  finish(id: number): void {
    const stream = this.#open.get(id);
    if (stream && !stream.push) this.#open.delete(id);
  }

  /** The client grants bytes. */
  credit(id: number, payload: Uint8Array): void {
    const stream = this.#open.get(id);
    // A grant may cross the end of its stream on the wire.
    if (!stream || payload.byteLength < 4) return;
    const granted = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
    stream.credit = Math.min(stream.credit + granted, LIMITS.sendQueueBytes);
    if (stream.credit <= 0) return;
    stream.wake?.();
    stream.push?.onReady?.();
  }

  /** The client has ended its side: what waits for its credit waits in vain, and nobody would see it go. */
  starve(): void {
    if (this.#starved) return;
    this.#starved = true;
    for (const stream of this.#open.values()) stream.wake?.();
  }

  /** The client ends a subscription. */
  cancel(id: number): void {
    this.#open.get(id)?.push?.close();
  }

  /** The connection is gone. */
  close(): void {
    for (const [id, stream] of [...this.#open]) {
      this.#open.delete(id);
      stream.wake?.();
      stream.push?.onClosed();
    }
  }

  #add(id: number, stream: Stream): void {
    if (this.#open.size >= LIMITS.streams) {
      throw new SyscallError(
        "limit",
        `Cannot open a stream: this connection has ${LIMITS.streams} open, close one`,
      );
    }
    this.#open.set(id, stream);
  }
}
