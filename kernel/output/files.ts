/**
 * What agents wrote, kept in files of the data directory so that it outlives the kernel: per name, at most four files
 * of 1 MiB, the oldest output dropped first. After a kill of the kernel the last tenth of a second is missing.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { OutputChunk } from "../agents/output.ts";
import type { Log } from "../log.ts";
import { type KeptChunk, type Owner, readRecords } from "./record.ts";
import { OutputWriter, pathsOf } from "./writer.ts";

export type { KeptChunk, Owner } from "./record.ts";

/** Names whose output is kept though nobody writes it any more; the one written longest ago goes first. */
const NAMES = 256;

/** Takes one agent's output. */
export interface OutputSink {
  add(chunk: OutputChunk): void;
  /** Nothing more comes. */
  end(): void;
}

/** The files of all agents. */
export class OutputFiles {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kernel: number;
  readonly #writers = new Map<string, OutputWriter>();
  /** Every name with files, the one written longest ago first. */
  readonly #names: Set<string>;
  #removing: Promise<void> = Promise.resolve();
  #told = false;

  /**
   * Looks at what earlier kernels left.
   *
   * @param options `dir` is made, mode 0700; `kernel` is when this kernel started.
   */
  constructor(options: { dir: string; clock: Clock; log: Log; kernel: number }) {
    this.#dir = options.dir;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#kernel = options.kernel;
    Deno.mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    this.#names = new Set(namesIn(this.#dir));
  }

  /** True when there is output of agents of this name. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Begins to keep an agent's output. */
  open(agent: { readonly id: number; readonly name: string }): OutputSink {
    const { id, name } = agent;
    let writer = this.#writers.get(name);
    if (!writer) {
      const paths = pathsOf(this.#dir, name);
      writer = new OutputWriter({ paths, clock: this.#clock, failed: (cause) => this.#failed(cause) });
      this.#writers.set(name, writer);
    }
    writer.users++;
    writer.begin({ id, name, kernel: this.#kernel });
    this.#touch(name);
    this.#prune();
    let open = true;
    return {
      add: (chunk) => writer.add(chunk),
      end: () => {
        if (!open) return;
        open = false;
        writer.users--;
        void writer.flush().then(() => {
          if (writer.users === 0 && this.#writers.get(name) === writer) this.#writers.delete(name);
        });
      },
    };
  }

  /**
   * What is kept under a name, oldest first.
   *
   * @param except Leaves out the output of this agent of the running kernel.
   */
  async *read(name: string, except?: number): AsyncGenerator<KeptChunk, void, void> {
    await this.#writers.get(name)?.flush();
    for (const path of [...pathsOf(this.#dir, name)].reverse()) {
      const file = await contents(path);
      for (const chunk of file ? readRecords(file) : []) {
        if (except === undefined || !this.#is(chunk.owner, except)) yield chunk;
      }
    }
  }

  /** Writes what is waiting. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.flush()));
    await this.#removing;
  }

  #is(owner: Owner | null, id: number): boolean {
    return owner !== null && owner.id === id && owner.kernel === this.#kernel;
  }

  #touch(name: string): void {
    this.#names.delete(name);
    this.#names.add(name);
  }

  #prune(): void {
    let over = this.#names.size - NAMES;
    if (over <= 0) return;
    for (const name of this.#names) {
      if (over <= 0) return;
      if (this.#writers.has(name)) continue;
      this.#names.delete(name);
      this.#removing = this.#removing.then(() => remove(pathsOf(this.#dir, name))).catch((cause) =>
        this.#failed(cause)
      );
      over--;
    }
  }

  /** A full disk is told once: the agents go on, and their output is in memory all the same. */
  #failed(cause: unknown): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.error("agents' output cannot be kept on disk", { directory: this.#dir, cause });
  }
}

/** Every name with files, the one written longest ago first. */
function namesIn(dir: string): string[] {
  const names = new Map<string, number>();
  for (const { name, isFile } of Deno.readDirSync(dir)) {
    const known = isFile ? /^(.+)\.log(?:\.\d)?$/.exec(name)?.[1] : undefined;
    if (known === undefined) continue;
    const time = Deno.statSync(`${dir}/${name}`).mtime?.getTime() ?? 0;
    names.set(known, Math.max(names.get(known) ?? 0, time));
  }
  return [...names].sort((a, b) => a[1] - b[1]).map(([name]) => name);
}

async function contents(path: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function remove(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
