/**
 * One simulated machine with a real kernel on it: time, chance, disk, network and processes are simulated,
 * and the kernel is started, cut off and started again.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { SyscallError } from "@clove/sdk/protocol";
import type { AgentFiles } from "../../kernel/agents/agent_files.ts";
import { type Kernel, startKernel } from "../../kernel/kernel.ts";
import { Log } from "../../kernel/log.ts";
import type { Storage } from "../../kernel/storage/storage.ts";
import { VirtualClock } from "../../worlds/clock.ts";
import type { Principal } from "../../kernel/principals.ts";
import { seededRandom } from "../../worlds/random.ts";
import type { Actor } from "./actor.ts";
import { bridge } from "./bridge.ts";
import { Chance } from "./chance.ts";
import { Client, type Witness } from "./client.ts";
import { Disk } from "./disk.ts";
import { LifeClock } from "./life_clock.ts";
import { MailBook } from "./mail_book.ts";
import { type ProcessHost, SimLauncher, type SimProcess } from "./processes.ts";
import { CounterBook, StateBook } from "./state_book.ts";
import { asSocket, type SimSocket, socketPair, type WireOptions } from "./wire.ts";

/** Faults put into the harness, to see whether the checks find them. */
export interface Defect {
  /** Wraps what the kernel stores in. */
  storage?(storage: Storage): Storage;
  /** Changes a kernel that has just started. */
  kernel?(kernel: Kernel, chance: Chance): void;
}

/** Thrown out of a run as soon as something was seen that must never happen. */
export class Violation extends Error {}

const SOCKET = "/simulated/clove.sock";

/** One kernel from its start to its end. */
interface Life {
  readonly number: number;
  readonly clock: LifeClock;
  readonly kernel: Kernel;
}

/** See above. */
export class World implements Witness, ProcessHost {
  readonly clock = new VirtualClock();
  readonly chance: Chance;
  readonly wire: WireOptions;
  readonly disk: Disk;
  readonly state = new StateBook();
  readonly counter = new CounterBook();
  /** Lines of what happened, when they are kept. */
  readonly lines: string[] | null;
  /** What plays the program of a process that has begun. */
  onProcess: (process: SimProcess, life: number) => void = () => {};
  /** Whoever wants to look into every kernel. */
  onBoot: (kernel: Kernel) => void = () => {};
  /** Numbers of the agents that were spawned in this life. */
  spawned: number[] = [];
  /** Whoever has been seen in this life and may have connections, and since when it has gone. */
  readonly known = new Map<Principal, number>();
  /** Everybody who is there. */
  readonly actors = new Set<Actor>();
  /** True: what the kernel logs as errors is what was done to it. */
  troubled = false;
  /** Programs that still have something to do. */
  readonly acting = new Set<Promise<void>>();
  /** True once nobody begins anything any more; {@link quiet} resolves then. */
  calm = false;
  readonly quiet: Promise<void>;
  readonly #calmed: () => void;
  #violation: string | null = null;
  readonly #seed: number;
  readonly #defect: Defect;
  readonly #hash = createHash("sha256");
  #lives = 0;
  #life: Life | null = null;
  #launcher: SimLauncher | null = null;
  readonly #books: MailBook[] = [];
  readonly #kernelEnds = new Set<SimSocket>();
  readonly #listeners = new Map<string, (socket: SimSocket) => void>();

  /** @param options `keep` keeps the lines of the trace. */
  constructor(seed: number, options: { defect?: Defect; keep?: boolean } = {}) {
    this.#seed = seed;
    this.#defect = options.defect ?? {};
    this.lines = options.keep ? [] : null;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.quiet = promise;
    this.#calmed = resolve;
    this.chance = new Chance(seededRandom(seed));
    this.wire = { clock: this.clock, chance: this.chance, latencyMs: this.chance.one([0, 1, 5, 20]) };
    this.disk = new Disk(this.chance);
  }

  /** The kernel that runs, or null. */
  get life(): Life | null {
    return this.#life;
  }

  /** Hash of everything that happened. */
  get digest(): string {
    return this.#hash.copy().digest("hex");
  }

  trace(what: string): void {
    const line = `${this.clock.monotonic().toFixed(3)} ${what}`;
    this.#hash.update(line).update("\n");
    this.lines?.push(line);
  }

  violation(what: string): void {
    if (this.#violation === null) this.trace(`VIOLATION ${what}`);
    this.#violation ??= what;
  }

  /** Nobody begins anything from now on. */
  calmDown(): void {
    this.trace("quiet");
    this.calm = true;
    this.#calmed();
  }

  /** Says what a check found, if it found something. */
  expect(problem: string | null): void {
    if (problem !== null) this.violation(problem);
  }

  /** @throws {Violation} When something was seen that must never happen. */
  check(): void {
    if (this.#violation !== null) throw new Violation(this.#violation);
  }

  /** The mail of one life. */
  mailOf(life: number): MailBook | undefined {
    return this.#books[life];
  }

  /** Numbers that letters can be sent to, in one life. */
  addresses(life: number): number[] {
    const numbers = [...this.actors].filter((actor) => actor.life === life && !actor.client.over)
      .map((actor) => actor.client.principal ?? 0);
    return numbers.filter((number) => number > 0);
  }

  /** Starts a kernel on what the disk holds. */
  async boot(): Promise<void> {
    const number = ++this.#lives;
    const clock = new LifeClock(this.clock);
    const onLog = (line: string): void => {
      if (this.#lives === number && this.#life?.number === number) this.#logged(line);
    };
    const now = (): number => clock.now();
    const log = new Log({ level: "error", format: "json", write: onLog, now });
    const { storage, vault } = this.disk.open(clock, log);
    const launcher = this.#launcher = new SimLauncher(this, clock);
    this.trace(`boot ${number}`);
    const kernel = await startKernel({
      socket: SOCKET,
      logLevel: "error",
      logFormat: "json",
      onLog,
      machine: {
        clock,
        random: seededRandom(this.#seed * 1_000 + number),
        launcher,
        storage: this.#defect.storage?.(storage) ?? storage,
        vault,
        agentFiles: this.#agentFiles(clock),
        runDir: { path: "/simulated/run", remove: () => {} },
        listen: (path, onConnection) => {
          this.#listeners.set(path, (socket) => onConnection(asSocket(socket)));
          return Promise.resolve({
            path,
            close: () => Promise.resolve(void this.#listeners.delete(path)),
          });
        },
      },
    });
    this.#defect.kernel?.(kernel, this.chance);
    this.onBoot(kernel);
    this.#books[number] = new MailBook();
    this.spawned = [];
    this.#life = { number, clock, kernel };
  }

  /** The kernel is no more, from one moment to the next, and its agents with it. */
  crash(): void {
    if (!this.#life) return;
    this.trace(`crash ${this.#life.number}`);
    this.#life.clock.end();
    this.#life = null;
    this.known.clear();
    this.disk.cut();
    this.#listeners.clear();
    for (const process of this.#launcher!.running) process.vanish();
    for (const end of this.#kernelEnds) end.vanish();
    this.#kernelEnds.clear();
  }

  /** The kernel stops in order. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.trace(`stop ${life.number}`);
    await life.kernel.close();
    // A socket that was destroyed says so a moment later.
    await this.clock.sleep(1);
    if (this.#life !== life) return;
    this.#life = null;
    this.known.clear();
    if (life.clock.pending > 0) this.violation(`a stopped kernel still has ${life.clock.pending} timers`);
  }

  /** Connects to the operator's socket, or within the process; null when no kernel answers. */
  connect(label: string): Client | null {
    if (!this.#life) return null;
    if (this.chance.may(0.5)) return this.connectTo(SOCKET, label);
    const [near, far] = socketPair(this.wire);
    this.#track(far);
    bridge(far, this.#life.kernel.connect());
    return new Client(label, near, this);
  }

  /** Connects to a path. */
  connectTo(path: string, label: string): Client | null {
    const accept = this.#listeners.get(path);
    if (!accept) return null;
    const [near, far] = socketPair(this.wire);
    this.#track(far);
    accept(far);
    return new Client(label, near, this);
  }

  kernelEnd(end: SimSocket): void {
    this.#track(end);
  }

  began(process: SimProcess): void {
    this.onProcess(process, this.#lives);
  }

  #track(end: SimSocket): void {
    this.#kernelEnds.add(end);
    end.on("close", () => this.#kernelEnds.delete(end));
  }

  #logged(line: string): void {
    // Programs that cannot be started are part of the simulation.
    if (!this.troubled && !line.includes("an agent could not be restarted")) {
      this.violation(`the kernel logged ${line.trim()}`);
    }
  }

  #agentFiles(clock: LifeClock): AgentFiles {
    const act = (): Promise<void> => clock.sleep(this.chance.delay(1));
    return {
      async findProgram(name) {
        await act();
        if (name === "agent") return "/usr/bin/agent";
        throw new SyscallError("not_found", `Cannot run "${name}": there is no such program`);
      },
      make: act,
      makeMountPoints: act,
      copyScript: () => Promise.reject(new Error("Cannot copy a script: there are none here")),
      write: act,
      give: act,
      // Nobody waits for it.
      remove: () => Promise.resolve(),
    };
  }
}
