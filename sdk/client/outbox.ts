/**
 * Frames on their way out: collected in one buffer while the write before is under way, so that a burst of requests is
 * one system call and a lonely one waits for nothing.
 *
 * @module
 */
import {
  FLAGS,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  type ProtocolVersion,
  SyscallError,
  writeHeader,
} from "../protocol/mod.ts";
import type { Transport } from "./transport.ts";

/** Where a buffer starts, and what it shrinks back to after a large frame. */
const BUFFER_BYTES = 16 * 1024;

/** Past this, new requests wait for the kernel to read. */
const FULL_BYTES = 1024 * 1024;

const encoder = new TextEncoder();

/** What {@link Outbox.append} puts into a frame. */
export interface Outgoing {
  readonly id: number;
  readonly opcode: number;
  readonly flags: number;
  /** JSON text; the empty string is an empty payload. */
  readonly text: string;
  /** Raw bytes after the JSON (protocol 2). */
  readonly tail: Uint8Array | null;
}

/** Writes frames in the order they were given. */
export class Outbox {
  readonly #transport: Transport;
  readonly #onError: (error: unknown) => void;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #spare: Uint8Array<ArrayBuffer> | null = new Uint8Array(BUFFER_BYTES);
  #busy = false;
  #dead = false;
  #idle: PromiseWithResolvers<void> | null = null;
  readonly #waiters: (() => void)[] = [];
  /** Bytes ever appended. */
  appended = 0;
  /** Bytes ever given to the transport. A frame whose first byte is below this may have been sent. */
  given = 0;

  /** @param onError Called once when a write fails; nothing is written after it. */
  constructor(transport: Transport, onError: (error: unknown) => void) {
    this.#transport = transport;
    this.#onError = onError;
  }

  /** True when a request has to wait with {@link room}. */
  get full(): boolean {
    return this.#length >= FULL_BYTES || this.#waiters.length > 0;
  }

  /** Resolves when there is room again, in the order of asking. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /**
   * Adds a frame; it is written before the event loop goes on.
   *
   * @throws {SyscallError} `limit` when the payload is longer than a frame may be; nothing was added then.
   */
  append(version: ProtocolVersion, frame: Outgoing): void {
    if (this.#dead) return;
    const { text, tail } = frame;
    const extra = tail ? 4 + tail.byteLength : 0;
    // UTF-8 takes at least a byte per UTF-16 unit: refuse before making room for up to three.
    if (text.length + extra > MAX_PAYLOAD_BYTES) throw tooLong(text.length + extra);
    this.#makeRoom(HEADER_BYTES + extra + text.length * 3);
    const start = this.#length;
    let at = start + HEADER_BYTES + (tail ? 4 : 0);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(at));
    at += written;
    const length = written + extra;
    if (length > MAX_PAYLOAD_BYTES) throw tooLong(length);
    if (tail) {
      this.#view.setUint32(start + HEADER_BYTES, written, true);
      this.#buffer.set(tail, at);
    }
    const flags = tail ? frame.flags | FLAGS.BINARY : frame.flags;
    writeHeader(this.#view, start, version, frame.id, frame.opcode, flags, length);
    this.#added(HEADER_BYTES + length);
  }

  /** Adds a CREDIT frame. */
  appendCredit(id: number, opcode: number, bytes: number): void {
    if (this.#dead) return;
    this.#makeRoom(HEADER_BYTES + 4);
    writeHeader(this.#view, this.#length, 2, id, opcode, FLAGS.CREDIT, 4);
    this.#view.setUint32(this.#length + HEADER_BYTES, bytes, true);
    this.#added(HEADER_BYTES + 4);
  }

  /** Resolves when everything appended so far was written, or writing has failed. */
  flushed(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Drops what is left and lets every waiter go. */
  stop(): void {
    this.#dead = true;
    this.#length = 0;
    this.#idle?.resolve();
    this.#idle = null;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #added(bytes: number): void {
    this.#length += bytes;
    this.appended += bytes;
    if (this.#busy) return;
    this.#busy = true;
    // One turn later, so that requests made together leave together.
    queueMicrotask(() => void this.#write());
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.byteLength) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.byteLength * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }

  async #write(): Promise<void> {
    while (this.#length > 0) {
      const full = this.#buffer;
      const length = this.#length;
      this.#buffer = this.#spare ?? new Uint8Array(BUFFER_BYTES);
      this.#view = new DataView(this.#buffer.buffer);
      this.#spare = null;
      this.#length = 0;
      this.given += length;
      try {
        await this.#transport.write(full.subarray(0, length));
      } catch (error) {
        this.stop();
        this.#busy = false;
        this.#onError(error);
        return;
      }
      this.#spare = full.byteLength > 4 * BUFFER_BYTES ? null : full;
      while (this.#waiters.length > 0 && this.#length < FULL_BYTES) {
        this.#waiters.shift()!();
        // The one just woken appends in its own turn; give it that before looking at the length again.
        await Promise.resolve();
      }
    }
    this.#busy = false;
    this.#idle?.resolve();
    this.#idle = null;
  }
}

function tooLong(bytes: number): SyscallError {
  return new SyscallError(
    "limit",
    `Cannot send a request of ${bytes} bytes: the limit is ${MAX_PAYLOAD_BYTES}, send it in parts`,
  );
}
