/**
 * What an agent wrote to stdout and stderr: kept up to a bound, oldest lost first, followed live by any number of
 * readers. A reader that is slow loses the oldest and is told; it holds up neither the agent nor the kernel. Only a
 * reader that asks for it makes the agent wait, as the far end of a pipe does, and loses nothing.
 *
 * @module
 */

/** One of the two streams; with a terminal everything is `stdout`. */
export type OutputStream = "stdout" | "stderr";

/** A piece of output. UTF-8 sequences are never cut between two chunks of one stream. */
export interface OutputChunk {
  /** Position in the output of the agent, over all its restarts; counts chunks from 1. */
  readonly seq: number;
  readonly stream: OutputStream;
  /** Epoch milliseconds at which it was read. */
  readonly time: number;
  readonly bytes: Uint8Array;
}

/** What a follower gets: chunks, and how many it missed before the first of them. */
export interface OutputBatch {
  readonly chunks: readonly OutputChunk[];
  /** Chunks that were dropped before the reader came to them. */
  readonly lost: number;
}

/** Keeping a chunk costs about this much beside its bytes, so that a flood of single bytes is bounded too. */
const CHUNK_OVERHEAD_BYTES = 128;
/** What one batch hands out at most; a follower asks again. */
const BATCH_BYTES = 64 * 1024;

/** A reader that the agent waits for. */
interface Holder {
  /** Where it has read to, in bytes ever written (with overhead). */
  at: number;
}

/** The captured output of one agent. */
export class OutputLog {
  readonly #limit: number;
  readonly #now: () => number;
  /** Told of every chunk, and of the end. */
  readonly #sink: { add(chunk: OutputChunk): void; end(): void } | null;
  #chunks: OutputChunk[] = [];
  /** Beside each chunk, the bytes ever written up to its end (with overhead). */
  #ends: number[] = [];
  /** Bytes ever written, with overhead. */
  #written = 0;
  /** Index of the oldest chunk still kept; the array is cut now and then, not at each loss. */
  #head = 0;
  #bytes = 0;
  #seq = 0;
  #ended = false;
  /** The beginning of a character whose rest has not come, by stream. */
  readonly #partial: Record<OutputStream, Uint8Array | null> = { stdout: null, stderr: null };
  readonly #waiting = new Set<() => void>();
  readonly #holders = new Set<Holder>();
  readonly #wantRoom = new Set<() => void>();

  /** @param options `limit` in bytes; `now` gives epoch milliseconds; `sink` keeps everything elsewhere too. */
  constructor(
    options: {
      limit: number;
      now: () => number;
      sink?: { add(chunk: OutputChunk): void; end(): void } | null;
    },
  ) {
    this.#limit = options.limit;
    this.#now = options.now;
    this.#sink = options.sink ?? null;
  }

  /** Number of the newest chunk; 0 when there was none. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** Number of the oldest chunk that is kept. */
  get firstSeq(): number {
    return this.#chunks[this.#head]?.seq ?? this.#seq + 1;
  }

  /** Bytes kept now, without overhead. */
  get bytes(): number {
    return this.#bytes - (this.#chunks.length - this.#head) * CHUNK_OVERHEAD_BYTES;
  }

  /** True after {@link end}: nothing will be added. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True while a reader that the agent waits for is far behind: nothing should be read from the agent meanwhile. */
  get held(): boolean {
    // A quarter: what is on its way when the reading stops still fits in without a loss.
    for (const { at } of this.#holders) if (this.#written - at > this.#limit / 4) return true;
    return false;
  }

  /** Calls back once, as soon as {@link held} is over. Returns the undo. */
  onRoom(listener: () => void): () => void {
    this.#wantRoom.add(listener);
    return () => this.#wantRoom.delete(listener);
  }

  /** Adds what was read. The bytes must not change afterwards. */
  append(stream: OutputStream, bytes: Uint8Array): void {
    const pending = this.#partial[stream];
    const all = pending ? joined(pending, bytes) : bytes;
    const cut = all.byteLength - incompleteTail(all);
    this.#partial[stream] = cut < all.byteLength ? all.slice(cut) : null;
    if (cut > 0) this.#add(stream, all.subarray(0, cut));
  }

  /** The process ended: what looked like the beginning of a character was all there is. */
  flush(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const rest = this.#partial[stream];
      this.#partial[stream] = null;
      if (rest) this.#add(stream, rest);
    }
  }

  /** No further run of the agent will write; followers finish. */
  end(): void {
    this.flush();
    this.#ended = true;
    this.#sink?.end();
    this.#wake();
  }

  /** Chunks after number `since`, at most 64 KiB of them (but at least one), without waiting. */
  read(since: number): OutputBatch {
    const first = this.firstSeq;
    const from = Math.max(since + 1, first);
    const chunks: OutputChunk[] = [];
    let bytes = 0;
    for (let i = this.#head + (from - first); i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunks.length > 0 && bytes + chunk.bytes.byteLength > BATCH_BYTES) break;
      chunks.push(chunk);
      bytes += chunk.bytes.byteLength;
    }
    return { chunks, lost: from - since - 1 };
  }

  /** The number after which the last `bytes` bytes begin. */
  tail(bytes: number): number {
    let left = bytes;
    let at = this.#chunks.length;
    while (at > this.#head && (left -= this.#chunks[at - 1]!.bytes.byteLength) >= 0) at--;
    return this.#seq - (this.#chunks.length - at);
  }

  /** The number after which chunks begin that were read at or after a time, in epoch milliseconds. */
  before(time: number): number {
    let at = this.#chunks.length;
    while (at > this.#head && this.#chunks[at - 1]!.time >= time) at--;
    return this.#seq - (this.#chunks.length - at);
  }

  /**
   * Follows the output from after number `since` until the agent ended for good or `signal` fires.
   *
   * @param hold True makes the agent wait for this reader.
   * @yields Batches with at least one chunk.
   */
  async *follow(since: number, signal?: AbortSignal, hold = false): AsyncGenerator<OutputBatch, void, void> {
    const holder: Holder = { at: this.#endOf(since) };
    if (hold) this.#holders.add(holder);
    try {
      for (let at = since; !signal?.aborted;) {
        const batch = this.read(at);
        const last = batch.chunks.at(-1);
        if (last) {
          at = last.seq;
          yield batch;
          // It has come back: what it got is gone from its hands.
          holder.at = this.#endOf(at);
          this.#tellRoom();
        } else if (this.#ended) return;
        else await this.#more(signal);
      }
    } finally {
      this.#holders.delete(holder);
      this.#tellRoom();
    }
  }

  /** The bytes written up to the end of a chunk, or to the beginning of the oldest when that chunk is gone. */
  #endOf(seq: number): number {
    const index = this.#head + seq - this.firstSeq;
    if (index >= this.#head) return this.#ends[index] ?? this.#written;
    const oldest = this.#chunks[this.#head];
    return oldest ? this.#ends[this.#head]! - oldest.bytes.byteLength - CHUNK_OVERHEAD_BYTES : this.#written;
  }

  #tellRoom(): void {
    if (this.#wantRoom.size === 0 || this.held) return;
    const listeners = [...this.#wantRoom];
    this.#wantRoom.clear();
    for (const listener of listeners) listener();
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #add(stream: OutputStream, read: Uint8Array): void {
    // A few bytes at the end of a read buffer would keep all of it alive for as long as they are kept.
    const bytes = read.buffer.byteLength > 2 * read.byteLength ? read.slice() : read;
    const chunk = { seq: ++this.#seq, stream, time: this.#now(), bytes };
    this.#chunks.push(chunk);
    this.#sink?.add(chunk);
    this.#written += bytes.byteLength + CHUNK_OVERHEAD_BYTES;
    this.#ends.push(this.#written);
    this.#bytes += bytes.byteLength + CHUNK_OVERHEAD_BYTES;
    while (this.#bytes > this.#limit && this.#chunks.length - this.#head > 1) {
      this.#bytes -= this.#chunks[this.#head++]!.bytes.byteLength + CHUNK_OVERHEAD_BYTES;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#ends = this.#ends.slice(this.#head);
      this.#head = 0;
    }
    this.#wake();
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.byteLength + b.byteLength);
  all.set(a);
  all.set(b, a.byteLength);
  return all;
}

/** How many bytes at the end begin a UTF-8 sequence without finishing it: 0 to 3. */
export function incompleteTail(bytes: Uint8Array): number {
  const end = bytes.byteLength;
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back]!;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
}
