/**
 * Collects the frames of one turn, so that a burst of answers is one write.
 *
 * Frames are written into slabs that are handed over in pieces and never written again: a small answer costs neither
 * a copy nor a buffer of its own.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { HEADER_BYTES, type ProtocolVersion, writeHeader } from "@clove/sdk/protocol";

const encoder = new TextEncoder();

/** Holds about eighty small answers; a connection that is idle keeps one. */
const SLAB_BYTES = 8 * 1024;

interface Head {
  readonly id: number;
  readonly opcode: number;
  readonly flags: number;
}

/** Frames waiting to be written. */
export class OutBuffer {
  #slab: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#slab.buffer);
  /** What is before this was handed over. */
  #start = 0;
  #end = 0;
  /** Pieces of slabs that are full. */
  #full: Uint8Array[] = [];
  #fullBytes = 0;
  #draining = false;

  /** Bytes waiting. */
  get length(): number {
    return this.#fullBytes + this.#end - this.#start;
  }

  /** Adds a frame with a JSON payload. */
  json(version: ProtocolVersion, head: Head, value: unknown): void {
    const text = JSON.stringify(value);
    // UTF-8 needs at most three bytes for a UTF-16 unit; most text needs one.
    const at = this.#reserve(HEADER_BYTES + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#slab.subarray(at + HEADER_BYTES));
    this.#commit(version, at, head, written);
  }

  /** Adds a frame whose payload is bytes. */
  raw(version: ProtocolVersion, head: Head, payload: Uint8Array): void {
    const at = this.#reserve(HEADER_BYTES + payload.byteLength);
    this.#slab.set(payload, at + HEADER_BYTES);
    this.#commit(version, at, head, payload.byteLength);
  }

  /** Adds a frame of protocol 2 with JSON and raw bytes. */
  binary(head: Head, value: unknown, tail: Uint8Array): void {
    const text = encoder.encode(JSON.stringify(value));
    const length = 4 + text.byteLength + tail.byteLength;
    const at = this.#reserve(HEADER_BYTES + length);
    this.#view.setUint32(at + HEADER_BYTES, text.byteLength, true);
    this.#slab.set(text, at + HEADER_BYTES + 4);
    this.#slab.set(tail, at + HEADER_BYTES + 4 + text.byteLength);
    this.#commit(2, at, head, length);
  }

  /** Hands everything over, piece by piece and in order; the taker owns the bytes. */
  drain(take: (bytes: Uint8Array) => void): void {
    // A taker that makes room for more comes back here at once: what it adds goes out below, after the rest.
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.length > 0) {
        if (this.#fullBytes > 0) {
          const full = this.#full;
          this.#full = [];
          this.#fullBytes = 0;
          for (const piece of full) take(piece);
        } else {
          const piece = this.#piece();
          this.#start = this.#end;
          take(piece);
        }
      }
    } finally {
      this.#draining = false;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#full = [];
    this.#fullBytes = 0;
    this.#start = this.#end;
  }

  /** What was written since the last hand-over. A Buffer, because sockets make one of anything else. */
  #piece(): Uint8Array {
    return Buffer.from(this.#slab.buffer as ArrayBuffer, this.#start, this.#end - this.#start);
  }

  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#slab.byteLength) {
      if (this.#end > this.#start) {
        this.#full.push(this.#piece());
        this.#fullBytes += this.#end - this.#start;
      }
      this.#slab = new Uint8Array(Math.max(bytes, SLAB_BYTES));
      this.#view = new DataView(this.#slab.buffer);
      this.#start = this.#end = 0;
    }
    return this.#end;
  }

  #commit(version: ProtocolVersion, at: number, head: Head, length: number): void {
    writeHeader(this.#view, at, version, head.id, head.opcode, head.flags, length);
    this.#end = at + HEADER_BYTES + length;
  }
}
