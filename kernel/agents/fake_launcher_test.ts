/** Stand-ins for the tests of this folder: processes that do what a test says, and a service around them. */
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { Authority, type Level, type Need, Policy } from "../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { type Clock, systemClock } from "../../worlds/clock.ts";
import { seededRandom } from "../../worlds/random.ts";
import { Audit } from "../audit/audit.ts";
import { EVENT_TYPES, EventBus, type KernelEvent } from "../events.ts";
import { Log } from "../log.ts";
import { Mail } from "../mail.ts";
import { type Principal, Principals } from "../principals.ts";
import { Agents } from "./agents.ts";
import {
  type Exit,
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Limits,
  type Process,
  WALLS,
} from "./launch.ts";
import { exitOf } from "./plain.ts";

/** A process that lives until a test ends it. */
export class FakeProcess implements Process {
  readonly pid: number;
  readonly request: LaunchRequest;
  readonly isolation: Process["isolation"];
  readonly channel: Socket = pipe();
  readonly stdin: Socket | null;
  readonly stdout: Socket = pipe();
  readonly stderr: Socket = pipe();
  readonly exited: Promise<Exit>;
  readonly cgroup = null;
  readonly netns = null;
  readonly signals: string[] = [];
  paused = false;
  /** What SIGTERM does: nothing, unless a test says otherwise. */
  onTerm: () => void = () => {};
  ended = false;
  readonly #resolve: (exit: Exit) => void;
  readonly #clock: Clock;
  readonly #started: number;

  constructor(pid: number, request: LaunchRequest, clock: Clock, walls: boolean) {
    this.pid = pid;
    this.request = request;
    this.stdin = request.stdin === "pipe" ? pipe() : null;
    this.#clock = clock;
    this.#started = clock.monotonic();
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#resolve = resolve;
    this.isolation = {
      fully_isolated: walls,
      namespaces: { pid: walls, net: walls, mnt: walls, uts: walls, ipc: walls, user: walls },
      cgroups: { available: walls, memory_limit: walls, cpu_quota: walls, pids_limit: walls },
      seccomp: walls,
      landlock: walls,
      capabilities_dropped: walls,
      no_new_privs: walls,
      missing: walls ? [] : WALLS,
    };
  }

  /** Ends it. */
  exit(code: number | null, signal: string | null = null): void {
    if (this.ended) return;
    this.ended = true;
    this.#resolve(exitOf(code, signal, this.#clock.monotonic() - this.#started));
  }

  signal(signal: string): Promise<boolean> {
    this.signals.push(signal);
    if (signal === "SIGTERM" && !this.paused) this.onTerm();
    return Promise.resolve(!this.ended);
  }
  pause(): Promise<void> {
    this.paused = true;
    return Promise.resolve();
  }
  resume(): Promise<void> {
    this.paused = false;
    if (this.signals.includes("SIGTERM")) this.onTerm();
    return Promise.resolve();
  }
  kill(): Promise<void> {
    this.signals.push("SIGKILL");
    this.exit(null, "SIGKILL");
    return Promise.resolve();
  }
  setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }> {
    return Promise.resolve({ applied: limits, missing: [] });
  }
  resize(): void {}
  onPressure(): () => void {
    return () => {};
  }
}

/** Starts {@link FakeProcess}es, unless told to fail. */
export class FakeLauncher implements Launcher {
  readonly description = "fake";
  readonly started: FakeProcess[] = [];
  /** The next launches fail. */
  failures = 0;
  readonly #clock: Clock;
  readonly #walls: boolean;

  constructor(clock: Clock, walls = false) {
    this.#clock = clock;
    this.#walls = walls;
  }

  /** The newest. */
  get last(): FakeProcess {
    return this.started.at(-1)!;
  }

  launch(request: LaunchRequest): Promise<Process> {
    const [wall] = this.#walls ? [] : request.require;
    if (wall) {
      return Promise.reject(
        new LaunchError(`Cannot have ${wall}`, { step: `require ${wall}`, refused: true }),
      );
    }
    if (this.failures > 0) {
      this.failures--;
      return Promise.reject(
        new LaunchError("Cannot start: it was told to fail", { step: "exec", errno: "ENOEXEC" }),
      );
    }
    const process = new FakeProcess(1_000_000_000 + this.started.length, request, this.#clock, this.#walls);
    this.started.push(process);
    return Promise.resolve(process);
  }
  layout(sandboxed: boolean) {
    const mounts = this.#walls && sandboxed;
    return Promise.resolve({ mounts, uid: null, gid: null, network: "shared" as const });
  }
  explain(request: LaunchRequest): string[] {
    return [`start ${request.argv.join(" ")}`];
  }
  probe(): Promise<never[]> {
    return Promise.resolve([]);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function pipe(): Socket {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }) as unknown as Socket;
}

/** Not below /tmp, which agents have a private one of. */
const BASE = Deno.build.os === "linux" ? "/var/tmp" : undefined;

/** An agents service with everything it needs, and a memory of what it told. */
export class Bench implements AsyncDisposable {
  readonly agents: Agents;
  readonly principals = new Principals();
  readonly audit: Audit;
  readonly mail: Mail;
  readonly operator: Principal;
  readonly runDir: string;
  /** What was logged. */
  readonly lines: string[] = [];
  readonly channels: { socket: Socket; principal: Principal }[] = [];
  readonly #events: EventBus;
  readonly #watcher: Principal;
  readonly #clock: Clock;

  constructor(launcher: (clock: Clock) => Launcher, clock: Clock = systemClock) {
    this.#clock = clock;
    this.runDir = Deno.realPathSync(Deno.makeTempDirSync({ dir: BASE, prefix: "clove-test-" }));
    const log = new Log({ level: "error", format: "text", write: (line) => this.lines.push(line) });
    this.#events = new EventBus(clock);
    this.mail = new Mail(clock, this.#events);
    this.audit = new Audit({ clock, log });
    this.operator = this.principal("operator", "unrestricted");
    this.#watcher = this.principal("operator", "unrestricted");
    this.#events.subscribe(this.#watcher, EVENT_TYPES);
    this.agents = new Agents({
      clock,
      random: seededRandom(7),
      log,
      principals: this.principals,
      events: this.#events,
      audit: this.audit,
      mail: this.mail,
      launcher: launcher(clock),
      runDir: this.runDir,
      sdkBundle: "export const bundle = true;\n",
      onChannel: (socket, principal) => this.channels.push({ socket, principal }),
      listenPrivate: (path) => {
        Deno.writeTextFileSync(path, "");
        return Promise.resolve(() => Promise.resolve());
      },
    });
  }

  principal(kind: "operator" | "remote", level: Level): Principal {
    return this.principals.create(kind, { authority: new Authority(Policy.level(level)) });
  }

  /** What a dispatcher's `demand` does, for a caller. */
  demand(caller: Principal): (need: Need) => void {
    return (need) => {
      const verdict = caller.authority.weigh(need, this.#clock.now());
      if (!verdict.allowed) throw new SyscallError("denied", verdict.reason, { receipt: verdict.receipt });
    };
  }

  spawn(request: Parameters<Agents["spawn"]>[0], caller: Principal = this.operator) {
    return this.agents.spawn(request, caller, this.demand(caller));
  }

  /** Events since the last call, in short: type, then the values of the given keys. */
  events(...keys: string[]): unknown[][] {
    return this.fullEvents().map((
      { type, data },
    ) => [type, ...keys.map((key) => (data as Record<string, unknown>)[key])]);
  }

  fullEvents(): KernelEvent[] {
    return this.#events.poll(this.#watcher, 1_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agents.abandon();
    await this.agents.close();
    await Deno.remove(this.runDir, { recursive: true });
  }
}
