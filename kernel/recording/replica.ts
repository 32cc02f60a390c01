/**
 * Recorded calls again, in a kernel of their own: in memory, without a socket, gone afterwards. Its answers are
 * compared with the recorded ones.
 *
 * @module
 */
import { type ErrorCode, SyscallError } from "@clove/sdk/protocol";
import { Authority, Policy } from "../../permissions/mod.ts";
import type { Launcher } from "../agents/launch.ts";
import { createPlainLauncher } from "../agents/plain.ts";
import type { Channel, Dispatcher } from "../dispatch.ts";
import type { Log } from "../log.ts";
import type { Principal, Principals } from "../principals.ts";
import { rowOf } from "../table.ts";
import type { ExecutionEntry } from "./execution_log.ts";
import { canonical } from "./format.ts";

/** An isolated kernel, as its builder gives it. */
export interface ReplicaKernel extends AsyncDisposable {
  readonly dispatcher: Dispatcher;
  readonly services: { readonly principals: Principals };
}

/** What happened to the entries. */
export interface ReplicaProgress {
  state: "idle" | "running" | "paused" | "completed" | "error";
  total: number;
  current: number;
  replayed: number;
  skipped: number;
  /** One sentence for each answer that was another. */
  readonly errors: string[];
  lastError: string;
}

/** Calls that leave the kernel, depend on the machine, or wait for others. */
const SKIPPED: readonly RegExp[] = [
  /^(?:exec|net|llm|agent|tunnel|perms|record|replay|secret|metrics|audit|fs)\./,
  /^sys\.(?:hello|doctor|describe)$/,
  /^async\./,
];

/** More would not be read. */
const MOST_ERRORS = 100;

/** Keys whose values are another run's business. */
const VOLATILE: ReadonlySet<string> = new Set([
  "timestamp",
  "age_ms",
  "uptime",
  "duration_ms",
  "pid",
  "started_at",
  "version",
  "kernel_version",
  "request_id",
  "delivered_to",
  "error",
]);

/** A launcher that starts nothing: a replica has no processes. */
export function noLauncher(): Launcher {
  const refuse = (): never => {
    throw new SyscallError("unavailable", "Cannot start a process: this kernel only replays recorded calls");
  };
  return { ...createPlainLauncher({ reason: "It only replays recorded calls" }), launch: refuse };
}

/** The one replay of entries that a kernel does at a time. */
export class EntriesReplay {
  /** How far it is, or was. */
  progress: ReplicaProgress = idle(0);
  readonly #start: () => Promise<ReplicaKernel>;
  readonly #log: Log;

  /** @param start Starts the isolated kernel. */
  constructor(start: () => Promise<ReplicaKernel>, log: Log) {
    this.#start = start;
    this.#log = log;
  }

  /**
   * Begins; {@link progress} tells the rest.
   *
   * @param include Families or calls that are skipped otherwise, such as `net`.
   * @throws {SyscallError} `conflict` while another is running.
   */
  start(entries: readonly ExecutionEntry[], include: readonly string[]): void {
    if (this.progress.state === "running") throw new SyscallError("conflict", "Replay already in progress");
    const progress = this.progress = {
      ...idle(entries.length),
      state: "running" as ReplicaProgress["state"],
    };
    this.#run(entries, new Set(include), progress).then(
      () => progress.state = "completed",
      (cause) => {
        progress.state = "error";
        progress.lastError = cause instanceof Error ? cause.message : String(cause);
        this.#log.warn("a replay failed", { cause });
      },
    );
  }

  async #run(
    entries: readonly ExecutionEntry[],
    include: ReadonlySet<string>,
    progress: ReplicaProgress,
  ): Promise<void> {
    await using kernel = await this.#start();
    const callers = callersIn(kernel, entries);
    const encoder = new TextEncoder();
    for (const entry of entries) {
      progress.current++;
      const row = rowOf(entry.opcode);
      if (!row || isSkipped(row.name, include)) {
        progress.skipped++;
        continue;
      }
      const answer = await kernel.dispatcher.run({
        opcode: entry.opcode,
        payload: encoder.encode(row.name === "ipc.recv" ? withoutWait(entry.payload) : entry.payload),
        binary: false,
        caller: callers.get(entry.agent_id)!,
        id: 0,
        connection: SILENT,
      });
      progress.replayed++;
      const text = answer.raw ? new TextDecoder().decode(answer.raw) : JSON.stringify(answer.json);
      const problem = compare(entry, text, answer.outcome);
      if (problem && progress.errors.length < MOST_ERRORS) {
        progress.errors.push(
          `entry ${entry.sequence_id} (${row.name} of agent ${entry.agent_id}): ${problem}`,
        );
      }
    }
  }
}

/** Nobody is at the other end. */
const SILENT: Channel = {
  version: 1,
  agree: () => {},
  openStream: () => null,
  openPush: () => null,
  onCancel: () => {},
};

/** Higher numbers than any kernel gives out in a day are somebody's invention. */
const HIGHEST_AGENT = 100_000;

/** Identities with the recorded numbers: agents without a place on the machine, whatever they may do. */
function callersIn(kernel: ReplicaKernel, entries: readonly ExecutionEntry[]): Map<number, Principal> {
  const { principals } = kernel.services;
  const ids = [...new Set(entries.map(({ agent_id }) => agent_id))].sort((a, b) => a - b);
  const callers = new Map<number, Principal>();
  for (const id of ids) {
    if (id > HIGHEST_AGENT) {
      throw new SyscallError("limit", `Cannot replay agent ${id}: its number is too high`);
    }
    for (;;) {
      const principal = principals.create("agent", {
        authority: new Authority(Policy.level("unrestricted")),
      });
      if (principal.id >= id) {
        callers.set(id, principal);
        break;
      }
      principal.dispose();
    }
  }
  return callers;
}

/** What it waited for has happened before, or never did. */
function withoutWait(payload: string): string {
  try {
    const { wait: _wait, ...rest } = JSON.parse(payload);
    return JSON.stringify(rest);
  } catch {
    // It is refused as it was.
    return payload;
  }
}

function idle(total: number): ReplicaProgress {
  return { state: "idle", total, current: 0, replayed: 0, skipped: 0, errors: [], lastError: "" };
}

function isSkipped(name: string, include: ReadonlySet<string>): boolean {
  return SKIPPED.some((pattern) => pattern.test(name)) && !include.has(name.split(".")[0]!) &&
    !include.has(name);
}

function compare(entry: ExecutionEntry, text: string, outcome: "ok" | ErrorCode): string | null {
  if (entry.response === "") return null;
  if ((outcome === "ok") !== entry.success) {
    return `it ${outcome === "ok" ? "succeeds" : `fails (${outcome})`}, recorded was the opposite`;
  }
  const [was, is] = [stable(entry.response), stable(text)];
  return was === is ? null : `the answer is ${cut(is)}, recorded was ${cut(was)}`;
}

/** An answer without what differs from run to run; text that is no JSON stays text. */
function stable(text: string): string {
  try {
    return canonical(withoutVolatile(JSON.parse(text)));
  } catch {
    return text;
  }
}

function withoutVolatile(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutVolatile);
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => !VOLATILE.has(key)).map(([key, inner]) => [
      key,
      withoutVolatile(inner),
    ]),
  );
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
