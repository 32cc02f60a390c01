/**
 * How agents' output stands in its files: a line that says what follows, the bytes as they were, a line feed. It can
 * be read with a pager, and nothing an agent writes can pass for a line of ours, because its length is known.
 *
 * ```text
 * S 1763640000123 55
 * {"id":7,"name":"worker","kernel":1763639990000}
 * o 1763640000140 6
 * hello
 *
 * ```
 *
 * @module
 */
import type { OutputStream } from "../agents/output.ts";

/** `S`: an agent starts here; `o` and `e`: its stdout and stderr; `L`: so many bytes were not kept. */
type Kind = "S" | "o" | "e" | "L";

/** Whose output follows. */
export interface Owner {
  readonly id: number;
  readonly name: string;
  /** When its kernel started, epoch milliseconds: numbers begin anew with each kernel. */
  readonly kernel: number;
}

/** A piece of output as it was kept. */
export interface KeptChunk {
  readonly owner: Owner | null;
  readonly stream: OutputStream;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly bytes: Uint8Array;
  /** Bytes that were not kept before this piece. */
  readonly lost: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** A line of ours is shorter. */
const HEAD_BYTES = 48;
const LINE_FEED = 0x0a;

/** One record, ready for its file. */
export function record(kind: Kind, time: number, body: Uint8Array): Uint8Array {
  const head = encoder.encode(`${kind} ${Math.floor(time)} ${body.byteLength}\n`);
  const bytes = new Uint8Array(head.byteLength + body.byteLength + 1);
  bytes.set(head);
  bytes.set(body, head.byteLength);
  bytes[bytes.byteLength - 1] = LINE_FEED;
  return bytes;
}

/** The record that says whose output follows. */
export function ownerRecord(owner: Owner, time: number): Uint8Array {
  return record("S", time, encoder.encode(JSON.stringify(owner)));
}

/** The record of bytes that were not kept. */
export function lossRecord(bytes: number, time: number): Uint8Array {
  return record("L", time, encoder.encode(String(bytes)));
}

/**
 * Reads a file's records. What a killed kernel left half written at the end, and whatever is no record, ends the
 * reading.
 */
export function* readRecords(file: Uint8Array): Generator<KeptChunk, void, void> {
  let owner: Owner | null = null;
  let lost = 0;
  for (let at = 0; at < file.byteLength;) {
    const end = file.subarray(at, at + HEAD_BYTES).indexOf(LINE_FEED);
    const head = end < 0
      ? null
      : /^([SoeL]) (\d{1,16}) (\d{1,9})$/.exec(decoder.decode(file.subarray(at, at + end)));
    if (!head) return;
    const from = at + end + 1;
    const to = from + Number(head[3]);
    if (to >= file.byteLength || file[to] !== LINE_FEED) return;
    const bytes = file.subarray(from, to);
    if (head[1] === "S") owner = ownerOf(decoder.decode(bytes));
    else if (head[1] === "L") lost += Number(decoder.decode(bytes)) || 0;
    else {
      yield { owner, stream: head[1] === "o" ? "stdout" : "stderr", time: Number(head[2]), bytes, lost };
      lost = 0;
    }
    at = to + 1;
  }
}

function ownerOf(text: string): Owner | null {
  try {
    const { id, name, kernel } = JSON.parse(text) as Owner;
    return { id: Number(id), name: String(name), kernel: Number(kernel) };
  } catch (error) {
    // The file was changed by somebody; its output can be read all the same.
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
