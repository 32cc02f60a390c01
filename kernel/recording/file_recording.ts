/**
 * One recording under way: a file, and the agents whose calls go into it.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { OutputLog } from "../agents/output.ts";
import type { Principal } from "../principals.ts";
import type { FileWriter } from "./file_writer.ts";
import { type AgentLine, FORMAT, type HeaderLine, type Line } from "./format.ts";
import type { Redact } from "./redact.ts";

/** An agent that is recorded. */
export interface Recorded {
  readonly recording: FileRecording;
  readonly principal: Principal;
  readonly redact: Redact;
  /** Calls so far. */
  calls: number;
  /** Connections so far. */
  connections: number;
}

/** Writes lines with their times, and ends when its last agent has. */
export class FileRecording {
  readonly path: string;
  /** Epoch milliseconds, whole: what the agents' virtual clocks begin with. */
  readonly epochMs: number;
  readonly #clock: Clock;
  readonly #writer: FileWriter;
  readonly #began: number;
  readonly #onFailure: (why: string) => void;
  readonly #agents = new Set<Recorded>();
  readonly #outputs = new Set<Promise<void>>();
  #told = false;
  #ended: Promise<void> | null = null;

  /** @param options `onFailure` is told once when the file can take no more. */
  constructor(options: {
    path: string;
    clock: Clock;
    writer: FileWriter;
    version: string;
    onFailure: (why: string) => void;
  }) {
    const { clock } = options;
    this.path = options.path;
    this.#clock = clock;
    this.#writer = options.writer;
    this.#onFailure = options.onFailure;
    this.epochMs = Math.round(clock.now());
    this.#began = clock.monotonic();
    const header: HeaderLine = {
      kind: "header",
      clove_recording: FORMAT,
      kernel: options.version,
      started_at: new Date(this.epochMs).toISOString(),
      epoch_ms: this.epochMs,
    };
    this.#writer.write(header);
  }

  /** Milliseconds since it began, with three decimals. */
  get now(): number {
    return Math.round((this.#clock.monotonic() - this.#began) * 1_000) / 1_000;
  }

  /** Agents that have not ended. */
  get live(): number {
    return this.#agents.size;
  }

  /** Adds an agent: its line comes before any of its calls. */
  add(principal: Principal, redact: Redact, line: Omit<AgentLine, "kind">): Recorded {
    const recorded = { recording: this, principal, redact, calls: 0, connections: 0 };
    this.#agents.add(recorded);
    this.write({ kind: "agent", ...line });
    return recorded;
  }

  /** Adds a line, redacted already. */
  write(line: Line): void {
    if (this.#writer.write(line) || this.#told || this.#ended) return;
    this.#told = true;
    this.#onFailure(this.#writer.failure ?? "it has ended");
  }

  /** Copies an agent's output as it comes. */
  follow(recorded: Recorded, output: OutputLog): void {
    const copying = this.#copy(recorded, output).finally(() => this.#outputs.delete(copying));
    this.#outputs.add(copying);
  }

  /** The agent ended; with the last one the recording ends too. */
  async remove(recorded: Recorded): Promise<void> {
    this.#agents.delete(recorded);
    if (this.#agents.size === 0) await this.end();
  }

  /** Ends it. Resolves when the file is whole. */
  end(): Promise<void> {
    this.#ended ??= (async () => {
      const cut = this.#writer.failure ??
        (this.#agents.size > 0 ? "it was stopped before its agents ended" : null);
      await this.#writer.end(cut === null ? undefined : { kind: "cut", t: this.now, why: cut });
    })();
    return this.#ended;
  }

  async #copy({ principal, redact }: Recorded, output: OutputLog): Promise<void> {
    const decoder = new TextDecoder();
    for await (const { chunks } of output.follow(0)) {
      for (const { stream, bytes } of chunks) {
        const text = redact(decoder.decode(bytes));
        this.write({ kind: "output", agent: principal.id, t: this.now, stream, text });
      }
    }
  }

  /** Resolves when all that its agents wrote was copied. */
  async outputs(): Promise<void> {
    await Promise.all(this.#outputs);
  }
}
