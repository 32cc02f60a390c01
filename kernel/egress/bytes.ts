/**
 * Reading from and writing to a socket by asking, so that whoever does not read is not read for.
 *
 * Both classes leave time to their caller: destroying the socket (with a reason) is how a wait ends early.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { ConnectionClosed } from "./errors.ts";

/** The bytes so far cannot become a head: too many, or a line that does not end in CR LF. */
export class HeadError extends Error {
  /** The HTTP status that says so. */
  readonly status: 400 | 431;
  /** @param status 400 or 431. @param message A sentence. */
  constructor(status: 400 | 431, message: string) {
    super(message);
    this.name = "HeadError";
    this.status = status;
  }
}

const CR = 13;
const LF = 10;

/** Pulls bytes from a socket. One reader a socket, one pending call a reader. */
export class ByteReader {
  readonly #socket: Duplex;
  /** Bytes that were received and not taken: `#buffer[#start..#end]`. */
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #over = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  /** @param socket Whose data nobody else may read from now on. */
  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#over = socket.readableEnded;
    if (socket.destroyed && !this.#over) {
      this.#error = socket.errored ?? new ConnectionClosed();
    }
    const wake = () => this.#wake?.();
    socket.on("readable", wake);
    socket.on("end", () => {
      this.#over = true;
      wake();
    });
    socket.on("error", (error: Error) => {
      this.#error ??= error;
      wake();
    });
    socket.on("close", () => {
      if (!this.#over) this.#error ??= new ConnectionClosed();
      wake();
    });
  }

  /** Bytes that are here already. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** The next byte without taking it, or null at the end. */
  async peek(): Promise<number | null> {
    while (this.buffered === 0) if (!await this.#fill()) return null;
    return this.#buffer[this.#start]!;
  }

  /** At least one byte and at most `most`, or null at the end. The array is the caller's. */
  async take(most: number = Infinity): Promise<Uint8Array | null> {
    if (this.buffered === 0) {
      const chunk = await this.#next();
      if (chunk === null) return null;
      if (chunk.length <= most) return chunk;
      this.#append(chunk);
    }
    const length = Math.min(this.buffered, most);
    // A copy where something stays behind: the buffer will be written over.
    const bytes = this.#buffer.slice(this.#start, this.#start + length);
    this.#start += length;
    return bytes;
  }

  /** Exactly `length` bytes (few: they are buffered), or null where the end comes first. */
  async exactly(length: number): Promise<Uint8Array | null> {
    while (this.buffered < length) if (!await this.#fill()) return null;
    const bytes = this.#buffer.slice(this.#start, this.#start + length);
    this.#start += length;
    return bytes;
  }

  /**
   * A head: everything up to the first empty line, without it, as one character a byte.
   *
   * @returns null where the end comes before the first byte.
   * @throws {HeadError} If more than `most` bytes come first, a line ends in a bare LF, or the end comes inside.
   */
  head(most: number): Promise<string | null> {
    return this.#until(most, true);
  }

  /** One line without its CR LF, as one character a byte. Throws like {@link head}; the end counts as inside. */
  async line(most: number): Promise<string> {
    const line = await this.#until(most, false);
    if (line === null) throw new HeadError(400, "The connection ended where a line was due");
    return line;
  }

  async #until(most: number, empty: boolean): Promise<string | null> {
    let scanned = 0;
    for (;;) {
      for (;;) {
        const found = this.#buffer.subarray(this.#start, this.#end).indexOf(LF, scanned);
        if (found < 0) break;
        const at = this.#start + found;
        if (found === 0 || this.#buffer[at - 1] !== CR) {
          throw new HeadError(400, "A line ends in LF without CR");
        }
        scanned = found + 1;
        if (scanned > most) break;
        const blank = found >= 3 && this.#buffer[at - 2] === LF;
        if (empty && !blank && found !== 1) continue;
        const text = latin1(this.#buffer, this.#start, empty && blank ? at - 3 : at - 1);
        this.#start = at + 1;
        return text;
      }
      if (this.buffered >= most) throw new HeadError(431, `A head of more than ${most} bytes`);
      const before = scanned = this.buffered;
      if (!await this.#fill()) {
        if (before === 0) return null;
        throw new HeadError(400, "The connection ended inside a head");
      }
    }
  }

  /** Waits for bytes and buffers them. */
  async #fill(): Promise<boolean> {
    const chunk = await this.#next();
    if (chunk === null) return false;
    this.#append(chunk);
    return true;
  }

  #append(chunk: Uint8Array): void {
    const need = this.buffered + chunk.length;
    if (this.#end + chunk.length > this.#buffer.length) {
      // Doubling, so that a head sent byte by byte is copied twice and not once a byte.
      const room = need * 2 <= this.#buffer.length ? this.#buffer : new Uint8Array(Math.max(1024, need * 2));
      room.set(this.#buffer.subarray(this.#start, this.#end));
      this.#end -= this.#start;
      this.#start = 0;
      this.#buffer = room;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  async #next(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#error !== null) throw this.#error;
      const chunk = this.#socket.read() as Uint8Array | null;
      if (chunk !== null) return chunk;
      if (this.#over) return null;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
  }
}

/** Writes to a socket, waiting where the other side does not read. One pending call a writer. */
export class ByteWriter {
  readonly #socket: Duplex;
  #wake: (() => void) | null = null;
  #error: Error | null = null;
  #closed = false;

  /** @param socket Where bytes go. */
  constructor(socket: Duplex) {
    this.#socket = socket;
    const wake = () => this.#wake?.();
    socket.on("drain", wake);
    socket.on("error", (error: Error) => {
      this.#error ??= error;
      wake();
    });
    socket.on("close", () => {
      this.#closed = true;
      wake();
    });
  }

  /** Hands bytes over; resolves when there is room for more. Throws once the socket is closed. */
  async write(bytes: Uint8Array | string): Promise<void> {
    this.#check();
    const room = typeof bytes === "string" ? this.#socket.write(bytes, "latin1") : this.#socket.write(bytes);
    if (room) return;
    while (this.#socket.writableNeedDrain) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
      this.#check();
    }
  }

  /** Says that nothing more will come. */
  end(): void {
    if (!this.#closed) this.#socket.end();
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#closed || this.#socket.destroyed) throw new ConnectionClosed();
  }
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  // Pieces, because a call takes a bounded number of arguments.
  for (let at = from; at < to; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(to, at + 4096)));
  }
  return text;
}
