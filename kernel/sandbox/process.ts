/**
 * A process in its sandbox, as the rest of the kernel holds it.
 *
 * @module
 */
import type { Server, Socket } from "node:net";
import { type SignalName, SIGNALS } from "../../ffi/processes.ts";
import type { Exit, Isolation, Limits, Pressure, Process } from "../agents/launch.ts";
import type { ProcessCgroup } from "./cgroup.ts";
import type { Control } from "./control.ts";
import { describeExit } from "./exit.ts";
import type { Network } from "./network.ts";
import type { Started } from "./start.ts";
import type { StatusMessage } from "./status.ts";

/** After the end, output that is still to come gets this long; then a descendant keeps the pipe, or nobody reads. */
const LAST_WORDS_MS = 1000;
/** Between looks at a child that is about to be gone. */
const REAP_MS = 1;
/** Rounds of stopping a tree that forks meanwhile. */
const STOP_ROUNDS = 8;

/** Parts of a running process. */
export interface ProcessParts {
  readonly started: Started;
  readonly control: Control;
  readonly isolation: Isolation;
  readonly cgroup: ProcessCgroup | null;
  readonly init: number;
  /** The agent's number on the host; init's where it could not be told. */
  readonly pid: number;
  readonly startedAt: number;
  /** Null where there is none that could be entered. */
  readonly network: Network | null;
  /** What listens inside for the kernel. */
  readonly listener: Server | undefined;
  /** Called once after the end, with nothing left running. */
  readonly release: () => void;
  /** Changes the size of the terminal. */
  readonly resize: (rows: number, columns: number) => void;
}

type Ended = Extract<StatusMessage, { kind: "ended" }>;

/** See {@link Process}. */
export class SandboxProcess implements Process {
  readonly pid: number;
  /** Process id of the sandbox's init on the host: all processes of the agent descend from it. */
  readonly init: number;
  readonly isolation: Isolation;
  readonly channel: Socket;
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  readonly stderr: Socket | null;
  readonly exited: Promise<Exit>;
  readonly resize: (rows: number, columns: number) => void;
  readonly listener: Server | undefined;
  readonly #parts: ProcessParts;
  #over = false;
  #paused = false;
  #ended: Ended | null = null;

  /** Takes over a started program. */
  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.pid = parts.pid;
    this.init = parts.init;
    this.isolation = parts.isolation;
    this.channel = parts.started.channel;
    this.stdin = parts.started.stdin;
    this.stdout = parts.started.stdout;
    this.stderr = parts.started.stderr;
    this.resize = parts.resize;
    this.listener = parts.listener;
    this.exited = this.#watch();
  }

  get cgroup(): string | null {
    return this.#parts.cgroup?.path ?? null;
  }

  get netns(): number | null {
    return this.network?.netns ?? null;
  }

  /** The network namespace while the process runs, for `listenInside`; null where it cannot be entered. */
  get network(): Network | null {
    return this.#over ? null : this.#parts.network;
  }

  /** Takes a message of the status pipe. */
  receive(message: StatusMessage): void {
    if (message.kind === "ended") this.#ended = message;
  }

  async #watch(): Promise<Exit> {
    const { started, control, cgroup, startedAt, network, release } = this.#parts;
    await closed(started.status);
    this.#over = true;
    const init = await this.#gone(this.init);
    const durationMs = performance.now() - startedAt;
    const oom = cgroup?.oom() ?? null;
    cgroup?.kill();
    await within(
      Promise.all([closed(this.stdout), this.stderr ? closed(this.stderr) : null]),
      LAST_WORDS_MS,
    );
    for (const stream of [this.stdin, this.channel]) stream?.destroy();
    if (control.ended(started.launcher) === "running") await this.#gone(started.launcher);
    network?.[Symbol.dispose]();
    release();
    await cgroup?.remove();
    const ended = this.#ended;
    return describeExit({
      // Without init's last message somebody killed it, and everything in its namespace with it.
      status: ended?.status ?? null,
      signal: ended ? ended.signal : init.signal ?? SIGNALS.SIGKILL,
      durationMs,
      usage: ended && { user_ms: ended.userMs, system_ms: ended.systemMs, max_rss: ended.maxRss },
      oom,
    });
  }

  async #gone(pid: number): Promise<{ readonly status: number | null; readonly signal: number | null }> {
    for (;;) {
      const state = this.#parts.control.ended(pid);
      if (state !== "running") return state;
      await sleep(REAP_MS);
    }
  }

  signal(signal: string): Promise<boolean> {
    if (!(signal in SIGNALS)) {
      return Promise.reject(new TypeError(`Cannot send ${JSON.stringify(signal)}: there is no such signal`));
    }
    return Promise.resolve(!this.#over && this.#send(this.pid, signal as SignalName));
  }

  #members(): readonly number[] {
    return this.#parts.control.members(this.init, this.pid);
  }

  #send(pid: number, signal: SignalName): boolean {
    return this.#parts.control.signal(pid, this.init, signal);
  }

  async pause(): Promise<void> {
    if (this.#over) return;
    this.#paused = true;
    if (await this.#parts.cgroup?.freeze(true)) return;
    const stopped = new Set<number>();
    for (let round = 0; round < STOP_ROUNDS; round++) {
      const fresh = this.#members().filter((pid) => !stopped.has(pid));
      if (fresh.length === 0) return;
      for (const pid of fresh) {
        this.#send(pid, "SIGSTOP");
        stopped.add(pid);
      }
    }
  }

  async resume(): Promise<void> {
    if (this.#over || !this.#paused) return;
    this.#paused = false;
    if (await this.#parts.cgroup?.freeze(false)) return;
    for (const pid of this.#members()) this.#send(pid, "SIGCONT");
  }

  async kill(): Promise<void> {
    if (!this.#over) {
      // Outside a pid namespace nothing takes the others down with init.
      if (!this.#parts.cgroup?.kill() && !this.isolation.namespaces.pid) {
        for (const pid of this.#members()) this.#send(pid, "SIGKILL");
      }
      if (!this.#over) this.#send(this.init, "SIGKILL");
    }
    await this.exited;
  }

  setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }> {
    const { cgroup } = this.#parts;
    if (!cgroup) {
      const applied = {
        memory: null,
        max_pids: null,
        cpu_quota: null,
        cpu_period: 100_000,
        cpu_shares: 1024,
      };
      const asked = Object.entries(limits).filter(([name, value]) =>
        typeof value === "number" && name !== "cpu_period"
      );
      return Promise.resolve({ applied, missing: asked.map(([name]) => name) });
    }
    return Promise.resolve(cgroup.setLimits(limits));
  }

  onPressure(listener: (warning: Pressure) => void): () => void {
    return this.#parts.cgroup?.onPressure(listener) ?? (() => {});
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function closed(stream: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once("close", () => resolve());
  });
}

/** Waits for a promise, but not longer. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
