/**
 * Processes of a simulated machine: they start late or not at all, write, work, hang, crash, and obey signals
 * or not.
 *
 * @module
 */
import {
  type Exit,
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Layout,
  type Limits,
  type Process,
  WALLS,
} from "../../kernel/agents/launch.ts";
import { exitOf } from "../../kernel/agents/plain.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Chance } from "./chance.ts";
import { asSocket, type SimSocket, socketPair, type WireOptions } from "./wire.ts";

/** What a simulated machine gives its processes. */
export interface ProcessHost {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly wire: WireOptions;
  /** The kernel's end of something was made. */
  kernelEnd(end: SimSocket): void;
  /** A process runs: whoever plays its program begins. */
  began(process: SimProcess): void;
}

/** One process. */
export class SimProcess implements Process {
  readonly pid: number;
  readonly request: LaunchRequest;
  readonly isolation: Process["isolation"] = ALL_WALLS;
  readonly channel: Process["channel"];
  readonly stdin = null;
  readonly stdout: Process["stdout"];
  readonly stderr: Process["stderr"] = null;
  readonly exited: Promise<Exit>;
  readonly cgroup = null;
  readonly netns = null;
  /** The program's end of descriptor 3. */
  readonly own: SimSocket;
  /** The program's end of stdout. */
  readonly out: SimSocket;
  paused = false;
  ended = false;
  /** What the program does when it is stopped or goes on. */
  onPause: (paused: boolean) => void = () => {};
  readonly #host: ProcessHost;
  readonly #startedAt: number;
  /** Resolves when all its output has been read. */
  readonly #written: Promise<void>;
  readonly #resolve: (exit: Exit) => void;
  /** True: SIGTERM is ignored. */
  readonly #stubborn: boolean;
  #termWaits = false;

  /** Runs from now on. */
  constructor(pid: number, request: LaunchRequest, host: ProcessHost) {
    this.pid = pid;
    this.request = request;
    this.#host = host;
    this.#startedAt = host.clock.monotonic();
    this.#stubborn = host.chance.may(0.3);
    const [channel, own] = socketPair(host.wire);
    const [stdout, out] = socketPair(host.wire);
    for (const end of [channel, stdout]) host.kernelEnd(end);
    this.channel = asSocket(channel);
    this.stdout = asSocket(stdout);
    this.own = own;
    this.out = out;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#resolve = resolve;
    out.on("error", () => {}); // The kernel reads no more.
    this.#written = new Promise((done) => void stdout.once("end", done).once("close", done));
  }

  /** Ends. What it wrote before is still read. */
  exit(code: number | null, signal: string | null = null): void {
    if (this.ended) return;
    this.ended = true;
    this.own.destroy();
    this.out.end();
    const ranMs = this.#host.clock.monotonic() - this.#startedAt;
    const told = (): void => this.#resolve(exitOf(code, signal, ranMs));
    // The kernel hears of the end when it has all output, or after a while.
    this.#host.clock.timer(GIVEN_UP_MS, told);
    this.#written.then(() => this.#host.clock.timer(this.#host.chance.delay(2), told));
  }

  /** The kernel died, and its agents with it. */
  vanish(): void {
    this.ended = true;
    this.own.destroy();
    this.out.destroy();
  }

  signal(signal: string): Promise<boolean> {
    if (signal === "SIGTERM" && !this.#stubborn) {
      if (this.paused) this.#termWaits = true;
      else this.#host.clock.timer(this.#host.chance.delay(20), () => this.exit(null, "SIGTERM"));
    }
    return Promise.resolve(!this.ended);
  }

  pause(): Promise<void> {
    this.paused = true;
    this.onPause(true);
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.paused = false;
    this.onPause(false);
    if (this.#termWaits) this.exit(null, "SIGTERM");
    return Promise.resolve();
  }

  kill(): Promise<void> {
    this.exit(null, "SIGKILL");
    return this.exited.then(() => {});
  }

  setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }> {
    return Promise.resolve({ applied: limits, missing: [] });
  }

  resize(): void {}

  onPressure(): () => void {
    return () => {};
  }
}

const ALL_WALLS: Process["isolation"] = {
  fully_isolated: true,
  namespaces: { pid: true, net: true, mnt: true, uts: true, ipc: true, user: true },
  cgroups: { available: true, memory_limit: true, cpu_quota: true, pids_limit: true },
  seccomp: true,
  landlock: true,
  capabilities_dropped: true,
  no_new_privs: true,
  missing: [],
};

/** Every wall stands, and no proxy can listen: there is no network to reach. */
const LAYOUT: Layout = { mounts: true, uid: null, gid: null, network: "sealed" };

/** How long output is waited for. */
const GIVEN_UP_MS = 500;

/** Above every number a real process can have. */
const FIRST_PID = 1_000_000_000;

/** Starts {@link SimProcess}es. */
export class SimLauncher implements Launcher {
  readonly description = "simulated";
  /** All that were started and have not ended. */
  readonly running = new Set<SimProcess>();
  readonly #host: ProcessHost;
  readonly #clock: Clock;
  #started = 0;

  /** @param clock The kernel's: what it had begun to launch when it died never runs. */
  constructor(host: ProcessHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  async launch(request: LaunchRequest): Promise<Process> {
    const { chance } = this.#host;
    await this.#clock.sleep(chance.delay(5));
    if (chance.may(0.08)) {
      throw new LaunchError("Cannot start the program: ENOMEM", { step: "exec", errno: "ENOMEM" });
    }
    const process = new SimProcess(FIRST_PID + ++this.#started, request, this.#host);
    this.running.add(process);
    process.exited.then(() => this.running.delete(process));
    this.#host.began(process);
    return process;
  }

  layout(): Promise<Layout> {
    return Promise.resolve(LAYOUT);
  }

  explain(request: LaunchRequest): string[] {
    return [`start ${request.argv.join(" ")}`];
  }

  probe(): ReturnType<Launcher["probe"]> {
    return Promise.resolve(WALLS.map((wall) => ({ wall, available: true, detail: "simulated", remedy: "" })));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
