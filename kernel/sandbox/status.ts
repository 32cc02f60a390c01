/**
 * What a launcher and its init say on the status pipe: frames of a kind, a length and bytes.
 *
 * @module
 */

/** Kinds of a frame. */
export const STATUS = {
  /** The launcher: init's process id, 8 bytes. */
  BORN: 1,
  /** Somebody: the results of all steps, because one failed. */
  FAILED: 2,
  /** Init: the agent's program runs. Its id as the host's /proc names it, in digits, NUL-padded to 16 bytes. */
  STARTED: 3,
  /** Init: the agent ended. Wait status, then `struct rusage` from byte 8. */
  ENDED: 4,
} as const;

/** Bytes of the frame that says the agent ended: the status and a word of padding, then `struct rusage`. */
export const ENDED_BYTES = 8 + 144;
/** Bytes of the digits of a process id. */
export const PID_BYTES = 16;

const HEADER = 8;
/** Nothing the program sends is longer; more would be a mistake of ours. */
const MAX_FRAME = 4096;

/** A message from a launcher or an init. */
export type StatusMessage =
  | { readonly kind: "born"; readonly init: number }
  | { readonly kind: "failed"; readonly results: Uint8Array }
  | { readonly kind: "started"; readonly pid: number | null }
  | {
    readonly kind: "ended";
    readonly status: number | null;
    readonly signal: number | null;
    readonly userMs: number;
    readonly systemMs: number;
    /** Bytes. */
    readonly maxRss: number;
  };

/** Cuts the bytes of a status pipe into messages, however they arrive. */
export class StatusReader {
  #pending: Uint8Array = new Uint8Array(0);

  /**
   * Takes bytes and returns the messages they complete.
   *
   * @throws {RangeError} On bytes that no program of ours writes.
   */
  push(bytes: Uint8Array): readonly StatusMessage[] {
    const all = this.#pending.length === 0 ? bytes : concat(this.#pending, bytes);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    const messages: StatusMessage[] = [];
    let at = 0;
    while (all.length - at >= HEADER) {
      const kind = view.getUint32(at, true);
      const length = view.getUint32(at + 4, true);
      if (length > MAX_FRAME) {
        throw new RangeError(`Cannot read a status frame of ${length} bytes: the limit is ${MAX_FRAME}`);
      }
      if (all.length - at < HEADER + length) break;
      messages.push(decode(kind, all.slice(at + HEADER, at + HEADER + length)));
      at += HEADER + length;
    }
    this.#pending = all.slice(at);
    return messages;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function decode(kind: number, body: Uint8Array): StatusMessage {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  switch (kind) {
    case STATUS.BORN:
      return { kind: "born", init: Number(view.getBigInt64(0, true)) };
    case STATUS.FAILED:
      return { kind: "failed", results: body };
    case STATUS.STARTED: {
      const digits = /^[0-9]+/.exec(new TextDecoder().decode(body))?.[0];
      return { kind: "started", pid: digits === undefined ? null : Number(digits) };
    }
    case STATUS.ENDED: {
      const wait = view.getInt32(0, true);
      const signal = wait & 0x7f;
      const time = (at: number): number =>
        Number(view.getBigInt64(at, true)) * 1000 + Number(view.getBigInt64(at + 8, true)) / 1000;
      return {
        kind: "ended",
        status: signal === 0 ? (wait >> 8) & 0xff : null,
        signal: signal === 0 ? null : signal,
        userMs: time(8),
        systemMs: time(24),
        maxRss: Number(view.getBigInt64(40, true)) * 1024,
      };
    }
    default:
      throw new RangeError(`Cannot read a status frame of kind ${kind}: there is no such kind`);
  }
}
