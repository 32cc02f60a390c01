/**
 * Writes a recording to its file, in order and behind the calls: whoever is recorded never waits for a disk.
 *
 * @module
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { once } from "node:events";
import { constants, createGzip, type Gzip } from "node:zlib";
import { SyscallError } from "@clove/sdk/protocol";
import { RECORDING_LIMITS } from "./format.ts";

/** Lines collected before they are handed on, in characters. */
const BATCH_CHARS = 64 * 1024;
/** The longest time a line waits to be handed on. */
const FLUSH_MS = 200;

/** A file that grows by lines. */
export class FileWriter {
  /** Why nothing more is written; null while all is well. */
  failure: string | null = null;
  /** Bytes of all lines, before compression. */
  bytes = 0;
  readonly #file: WriteStream;
  readonly #gzip: Gzip | null;
  readonly #closed: Promise<void>;
  #batch = "";
  #timer: ReturnType<typeof setTimeout> | null = null;
  #ended = false;

  private constructor(file: WriteStream, compress: boolean) {
    this.#file = file;
    this.#gzip = compress ? createGzip({ level: 6 }) : null;
    this.#gzip?.pipe(file);
    file.on("error", (cause: Error) => this.failure ??= `it cannot be written: ${cause.message}`);
    this.#closed = once(file, "close").then(() => {}, () => {});
  }

  /**
   * Makes the file, readable by its owner alone; what was there before is replaced.
   *
   * @throws {SyscallError} `unavailable` when that cannot be.
   */
  static async create(path: string): Promise<FileWriter> {
    try {
      const handle = await open(path, "w", 0o600);
      const { isFile } = await handle.stat().then((found) => ({ isFile: found.isFile() }));
      await handle.close();
      if (!isFile) throw new Error("it is no regular file");
      return new FileWriter(createWriteStream(path, { flags: "r+" }), path.endsWith(".gz"));
    } catch (cause) {
      throw new SyscallError(
        "unavailable",
        `Cannot record into "${path}": ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  /** Adds a line. False when it was not taken; {@link failure} says why. */
  write(line: unknown): boolean {
    if (this.failure !== null || this.#ended) return false;
    const text = `${JSON.stringify(line)}\n`;
    const sink = this.#gzip ?? this.#file;
    if (this.bytes + text.length > RECORDING_LIMITS.fileBytes) {
      this.failure = `it is longer than ${RECORDING_LIMITS.fileBytes} bytes`;
    } else if (sink.writableLength + this.#batch.length > RECORDING_LIMITS.queueBytes) {
      this.failure = "its disk is too slow";
    }
    if (this.failure !== null) return false;
    this.bytes += text.length;
    this.#batch += text;
    if (this.#batch.length >= BATCH_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
    return true;
  }

  /** Writes what is left, with a last line if there is one, and closes. Resolves when all of it is in the file. */
  async end(last?: unknown): Promise<void> {
    if (this.#ended) return await this.#closed;
    if (last !== undefined) this.#batch += `${JSON.stringify(last)}\n`;
    this.#flush();
    this.#ended = true;
    (this.#gzip ?? this.#file).end();
    await this.#closed;
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch === "") return;
    const batch = this.#batch;
    this.#batch = "";
    (this.#gzip ?? this.#file).write(batch);
    // So that whoever is killed leaves behind all that was recorded until then.
    this.#gzip?.flush(constants.Z_SYNC_FLUSH);
  }
}
