/**
 * Frames: 17 bytes of header, then a payload. All integers are little-endian.
 *
 * | offset | protocol 1          | protocol 2                         |
 * |-------:|---------------------|------------------------------------|
 * |      0 | magic u32           | magic u32                          |
 * |      4 | agent_id u32        | request_id u32                     |
 * |      8 | opcode u8           | opcode u8                          |
 * |      9 | payload_size u64    | length u32, 3 zero bytes, flags u8 |
 *
 * @module
 */

/** The first four bytes of every frame, `AGNT` when read as a big-endian number. */
export const MAGIC = 0x41474e54;

/** Bytes of a header, in both protocols. */
export const HEADER_BYTES = 17;

/** The longest payload a request may carry, inclusive: 1 MiB. Answers of protocol 1 may be longer. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** Bytes of frames that a stream or subscription may send before the first CREDIT. */
export const STREAM_WINDOW_BYTES = 256 * 1024;

/** The protocol spoken on a connection. Every connection begins with 1; HELLO may agree on 2. */
export type ProtocolVersion = 1 | 2;

/** Bits of the flags byte of protocol 2. */
export const FLAGS = {
  /** More frames of this stream or subscription follow. */
  MORE: 0x01,
  /** The payload is a u32 length, that many bytes of JSON, then raw bytes. */
  BINARY: 0x02,
  /** Started by the kernel; the id is that of the subscribing request. Without MORE it is the last. */
  PUSH: 0x04,
  /** From the client: stop the request of this id. Empty payload. */
  CANCEL: 0x08,
  /** From the client: the stream of this id may send this many bytes of frames more (u32 payload). */
  CREDIT: 0x10,
} as const;

const KNOWN_FLAGS = 0x1f;

/** One frame. */
export interface Frame {
  /** The connection's agent number in protocol 1, the request's number in protocol 2. */
  readonly id: number;
  /** Which syscall; an answer has that of its request. */
  readonly opcode: number;
  /** Always 0 in protocol 1. */
  readonly flags: number;
  /** A view; copy it to keep it beyond the next read when the source buffer is reused. */
  readonly payload: Uint8Array;
}

/** Bytes that are no frame. There is no safe way to find the next one: close the connection. */
export class FrameError extends Error {
  /** `magic`: not a frame at all. `size`: payload over the limit. `reserved`: bits that must be zero are not. */
  readonly kind: "magic" | "size" | "reserved";
  /** The opcode of the header, for the one answer that an oversized frame gets. */
  readonly opcode: number;
  /** The id of the header. */
  readonly id: number;

  /** Keeps what is known of the bad header. */
  constructor(message: string, kind: "magic" | "size" | "reserved", opcode: number, id: number) {
    super(message);
    this.name = "FrameError";
    this.kind = kind;
    this.opcode = opcode;
    this.id = id;
  }
}

const EMPTY = new Uint8Array(0);

/**
 * Turns chunks of bytes into frames. Holds at most one unfinished frame plus the chunk just pushed.
 *
 * ```ts ignore
 * parser.push(chunk);
 * for (let frame = parser.next(); frame; frame = parser.next()) handle(frame);
 * ```
 */
export class FrameParser {
  /** The protocol of the next frame. */
  version: ProtocolVersion = 1;
  readonly #maxPayload: number;
  #chunk: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** A frame that spans chunks is collected here, allocated once at its full length. */
  #partial: Uint8Array | null = null;
  #partialLength = 0;

  /** A payload of more than `maxPayload` bytes is a {@link FrameError}. */
  constructor(maxPayload: number = MAX_PAYLOAD_BYTES) {
    this.#maxPayload = maxPayload;
  }

  /** Bytes held that are not a whole frame yet. */
  get buffered(): number {
    return this.#partialLength + this.#end - this.#start;
  }

  /** Gives the parser a chunk, which it reads in place. Take every frame with {@link next} before the next push. */
  push(chunk: Uint8Array): void {
    if (this.#start < this.#end) {
      throw new RangeError("Cannot push a chunk: the one before was not read to its end");
    }
    this.#chunk = chunk;
    this.#start = 0;
    this.#end = chunk.byteLength;
  }

  /**
   * The next whole frame, or null when more bytes are needed.
   *
   * @throws {FrameError} On bytes that are no frame.
   */
  next(): Frame | null {
    if (this.#partial) return this.#resume();
    const left = this.#end - this.#start;
    if (left < HEADER_BYTES) {
      if (left > 0) this.#keep(HEADER_BYTES);
      return null;
    }
    const length = this.#check(this.#chunk, this.#start);
    const total = HEADER_BYTES + length;
    if (left < total) {
      this.#keep(total);
      return null;
    }
    const frame = this.#frame(this.#chunk, this.#start, length);
    this.#start += total;
    return frame;
  }

  #keep(total: number): void {
    const kept = new Uint8Array(total);
    const rest = this.#chunk.subarray(this.#start, this.#end);
    kept.set(rest);
    this.#partial = kept;
    this.#partialLength = rest.byteLength;
    this.#start = this.#end = 0;
    this.#chunk = EMPTY;
  }

  #resume(): Frame | null {
    let partial = this.#partial!;
    for (;;) {
      const take = Math.min(partial.byteLength - this.#partialLength, this.#end - this.#start);
      partial.set(this.#chunk.subarray(this.#start, this.#start + take), this.#partialLength);
      this.#start += take;
      this.#partialLength += take;
      if (this.#partialLength < partial.byteLength) return null;
      const length = this.#check(partial, 0);
      if (partial.byteLength === HEADER_BYTES + length) {
        this.#partial = null;
        this.#partialLength = 0;
        return this.#frame(partial, 0, length);
      }
      // Only the header was there; now its length is known, and bounded.
      const whole = new Uint8Array(HEADER_BYTES + length);
      whole.set(partial);
      this.#partial = partial = whole;
    }
  }

  #check(bytes: Uint8Array, at: number): number {
    const magic = u32(bytes, at);
    const length = u32(bytes, at + 9);
    const high = u32(bytes, at + 13);
    if (magic !== MAGIC) {
      const hex = magic.toString(16).padStart(8, "0");
      throw fault("magic", `Cannot read a frame: its magic is 0x${hex}, not 0x41474e54`, bytes, at);
    }
    // In protocol 1 these are the upper half of the length, in protocol 2 three zero bytes and the flags.
    if (this.version === 2 && ((high & 0x00ffffff) !== 0 || ((high >>> 24) & ~KNOWN_FLAGS) !== 0)) {
      throw fault("reserved", "Cannot read a frame: reserved bits are not zero", bytes, at);
    }
    if (length > this.#maxPayload || (this.version === 1 && high !== 0)) {
      const size = this.version === 1 ? (BigInt(high) << 32n) | BigInt(length) : length;
      throw fault(
        "size",
        `Cannot read a frame of ${size} bytes: the limit is ${this.#maxPayload}`,
        bytes,
        at,
      );
    }
    return length;
  }

  #frame(bytes: Uint8Array, at: number, length: number): Frame {
    return {
      id: u32(bytes, at + 4),
      opcode: bytes[at + 8]!,
      flags: this.version === 2 ? bytes[at + 16]! : 0,
      // Not subarray: a Buffer's own is several times slower.
      payload: new Uint8Array(bytes.buffer, bytes.byteOffset + at + HEADER_BYTES, length),
    };
  }
}

/** Read by hand: a DataView for each chunk costs more than it saves. */
function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

function fault(
  kind: "magic" | "size" | "reserved",
  message: string,
  bytes: Uint8Array,
  at: number,
): FrameError {
  return new FrameError(message, kind, bytes[at + 8]!, u32(bytes, at + 4));
}

/** Writes a header at `at`. The caller has made room for {@link HEADER_BYTES}. */
export function writeHeader(
  view: DataView,
  at: number,
  version: ProtocolVersion,
  id: number,
  opcode: number,
  flags: number,
  length: number,
): void {
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, id, true);
  view.setUint8(at + 8, opcode);
  view.setUint32(at + 9, length, true);
  view.setUint32(at + 13, version === 2 ? flags << 24 : 0, true);
}

/** A whole frame as bytes. */
export function encodeFrame(version: ProtocolVersion, frame: Frame): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + frame.payload.byteLength);
  const { id, opcode, flags, payload } = frame;
  writeHeader(new DataView(bytes.buffer), 0, version, id, opcode, flags, payload.byteLength);
  bytes.set(frame.payload, HEADER_BYTES);
  return bytes;
}
