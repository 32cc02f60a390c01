/**
 * Where bytes come from and go to. A client speaks over any of these: a Unix socket, an inherited descriptor, memory.
 *
 * @module
 */

/** A connection that carries bytes in both directions, in order. */
export interface Transport {
  /**
   * The next bytes, or null at the end. The view is valid until the next call.
   *
   * @throws {Error} When the connection broke.
   */
  read(): Promise<Uint8Array | null>;
  /**
   * Writes all of `bytes`, which stay untouched until it resolves. The client has one write open at a time.
   *
   * @throws {Error} When the connection broke.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both directions. A waiting {@link read} resolves with null or rejects. */
  close(): void;
  /** Keeps the program running while something is expected. */
  ref?(): void;
  /** Lets the program end although the connection is open. */
  unref?(): void;
}

/** Enough for a whole frame of the usual size, small enough for thousands of clients. */
const READ_BYTES = 64 * 1024;

/** Connects to a Unix socket. Needs permission to read and write the path, and `--allow-net=unix:PATH`. */
export async function connectUnix(path: string): Promise<Transport> {
  return new ConnTransport(await Deno.connect({ transport: "unix", path }));
}

/** A connection of Deno's own. */
class ConnTransport implements Transport {
  readonly #conn: Deno.UnixConn;
  readonly #buffer = new Uint8Array(READ_BYTES);

  constructor(conn: Deno.UnixConn) {
    this.#conn = conn;
  }

  async read(): Promise<Uint8Array | null> {
    const length = await this.#conn.read(this.#buffer);
    return length === null ? null : this.#buffer.subarray(0, length);
  }

  async write(bytes: Uint8Array): Promise<void> {
    let at = await this.#conn.write(bytes);
    while (at < bytes.byteLength) at += await this.#conn.write(bytes.subarray(at));
  }

  close(): void {
    this.#conn.close();
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }
}

/** A pair of streams, as an embedded kernel's `connect()` gives, or a `WebSocketStream` does. */
export interface StreamPair {
  /** What the kernel sends. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What goes to the kernel. */
  readonly writable: WritableStream<Uint8Array>;
}

/** Speaks over a pair of streams. */
export function streamTransport(pair: StreamPair): Transport {
  const reader = pair.readable.getReader();
  const writer = pair.writable.getWriter();
  // What goes wrong is told by read() and write(); these two promises say it a second time.
  reader.closed.catch(() => {});
  writer.closed.catch(() => {});
  return {
    async read() {
      const { value, done } = await reader.read();
      return done ? null : value;
    },
    write: (bytes) => writer.write(bytes),
    close() {
      reader.cancel().catch(() => {});
      writer.abort().catch(() => {});
    },
  };
}
