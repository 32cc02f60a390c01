/**
 * Writes one name's output into its files: the newest, and a few older ones that take each other's places.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { OutputChunk } from "../agents/output.ts";
import { lossRecord, type Owner, ownerRecord, record } from "./record.ts";

/** Files of one name, and how large each may get. */
export const FILES = 4;
/** See {@link FILES}. */
export const FILE_BYTES = 1024 * 1024;
/** How long output waits for company before it is written. */
const WAIT_MS = 100;
/** Output waiting to be written; past it the oldest is given up, and counted: a disk may be slower than an agent. */
const WAITING_BYTES = 1024 * 1024;

/** Where the files of one name are. */
export function pathsOf(dir: string, name: string): readonly string[] {
  // Names cannot hold a "/", and none of these can be another name's: only the newest ends in ".log".
  return Array.from({ length: FILES }, (_, i) => `${dir}/${name}.log${i === 0 ? "" : `.${i}`}`);
}

/** The one writer of a name's files. */
export class OutputWriter {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  readonly #failed: (cause: unknown) => void;
  #owner: Owner | null = null;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #lost = 0;
  #cancel: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();
  /** Size of the newest file; unknown until it was looked at. */
  #size: number | null = null;
  /** Agents that write here; two at most for a moment, when one takes over another's name. */
  users = 0;

  /** @param failed Told when nothing can be written. */
  constructor(options: { paths: readonly string[]; clock: Clock; failed: (cause: unknown) => void }) {
    this.#paths = options.paths;
    this.#clock = options.clock;
    this.#failed = options.failed;
  }

  /** What follows is this agent's. */
  begin(owner: Owner): void {
    this.#owner = owner;
    this.#add(ownerRecord(owner, this.#clock.now()));
  }

  /** Takes a piece; it is on the disk a moment later. */
  add({ stream, time, bytes }: OutputChunk): void {
    this.#add(record(stream === "stdout" ? "o" : "e", time, bytes));
  }

  /** Resolves when everything that was taken is on the disk, or could not be written. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    const records = this.#waiting;
    if (records.length === 0) return this.#writing;
    if (this.#lost > 0) records.unshift(lossRecord(this.#lost, this.#clock.now()));
    this.#waiting = [];
    this.#bytes = this.#lost = 0;
    return this.#writing = this.#writing.then(() => this.#write(records)).catch(this.#failed);
  }

  #add(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.byteLength;
    while (this.#bytes > WAITING_BYTES && this.#waiting.length > 1) {
      const { byteLength } = this.#waiting.shift()!;
      this.#bytes -= byteLength;
      this.#lost += byteLength;
    }
    this.#cancel ??= this.#clock.timer(WAIT_MS, () => void this.flush());
  }

  async #write(records: readonly Uint8Array[]): Promise<void> {
    this.#size ??= await sizeOf(this.#paths[0]!);
    for (let at = 0; at < records.length;) {
      if (this.#size > 0 && this.#size + records[at]!.byteLength > FILE_BYTES) await this.#rotate();
      const from = at;
      let bytes = 0;
      do bytes += records[at++]!.byteLength; while (
        at < records.length && this.#size + bytes + records[at]!.byteLength <= FILE_BYTES
      );
      await append(this.#paths[0]!, joined(records.slice(from, at), bytes));
      this.#size += bytes;
    }
  }

  async #rotate(): Promise<void> {
    for (let i = FILES - 1; i > 0; i--) await rename(this.#paths[i - 1]!, this.#paths[i]!);
    this.#size = 0;
    if (!this.#owner) return;
    // Each file says by itself whose output it begins with.
    const head = ownerRecord(this.#owner, this.#clock.now());
    await append(this.#paths[0]!, head);
    this.#size = head.byteLength;
  }
}

function joined(records: readonly Uint8Array[], bytes: number): Uint8Array {
  if (records.length === 1) return records[0]!;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const one of records) {
    all.set(one, at);
    at += one.byteLength;
  }
  return all;
}

/** Opened for each time: an agent that is silent holds no descriptor. */
async function append(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true, mode: 0o600 });
  for (let at = 0; at < bytes.byteLength;) at += await file.write(bytes.subarray(at));
}

async function rename(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
