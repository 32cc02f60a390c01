/**
 * Metrics on demand. Nothing is read twice within one tick, whoever asks; nothing is read when nobody asks.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Clock } from "../../worlds/clock.ts";
import { LIMITS } from "../limits.ts";
import { type AgentFacts, type AgentMetrics, describeAgent } from "./agents.ts";
import { cgroupDir, type CgroupMetrics, cgroupRoot, readCgroup } from "./cgroup.ts";
import { gone, ProcessReader } from "./process.ts";
import { Rate } from "./rate.ts";
import { type SystemMetrics, SystemReader } from "./system.ts";

export type { AgentFacts, AgentMetrics } from "./agents.ts";
export { factsOf } from "./agents.ts";
export type { CgroupMetrics } from "./cgroup.ts";
export type { ProcessMetrics } from "./process.ts";
export type { SystemMetrics } from "./system.ts";

/** How old an answer may be. */
const TICK_MS = 250;
/** How long reading goes on without letting others have a turn. */
const TURN_MS = 1;
/** For many agents at once: how long whole readings may take before the answer; the others follow after it. */
const WHOLE_MS = 0.5;

/** One agent's readers and its latest metrics. */
interface Watched {
  readonly process: ProcessReader | null;
  cgroup: CgroupMetrics | null;
  cgroupCpu: Rate | null;
  cgroupPercent: number;
  /** Monotonic milliseconds of the latest reading, and of the latest whole one. */
  at: number;
  wholeAt: number;
  metrics: AgentMetrics | null;
}

/** Reads metrics. */
export class Metrics {
  readonly #clock: Clock;
  readonly #reader: SystemReader;
  readonly #root: string | null;
  readonly #agents = new Map<number, Watched>();
  #reading = false;
  #system: { at: number; metrics: SystemMetrics } | null = null;

  /** @param options `cgroupRoot` stands in for the machine's, in tests. */
  constructor(options: { clock: Clock; cgroupRoot?: string | null }) {
    this.#clock = options.clock;
    this.#reader = new SystemReader(options.clock);
    this.#root = options.cgroupRoot === undefined ? cgroupRoot() : options.cgroupRoot;
  }

  /** The machine. */
  system(): SystemMetrics {
    const at = this.#clock.monotonic();
    if (!this.#system || at - this.#system.at >= TICK_MS) this.#system = { at, metrics: this.#reader.read() };
    return this.#system.metrics;
  }

  /** One agent, everything read within this tick. */
  agent(facts: AgentFacts): AgentMetrics {
    const known = this.#known(facts);
    const fresh = known?.metrics?.state === facts.state && this.#clock.monotonic() - known.wholeAt < TICK_MS;
    return fresh ? known.metrics! : this.#read(facts, true);
  }

  /**
   * All these agents. CPU, memory and state are read within this tick; the rest, with two hundred agents some twenty
   * milliseconds of work, is as old as the question before this one.
   */
  async all(facts: readonly AgentFacts[]): Promise<AgentMetrics[]> {
    const rested = this.#turns();
    for (const one of facts) {
      const known = this.#known(one);
      if (known?.metrics?.state === one.state && this.#clock.monotonic() - known.at < TICK_MS) continue;
      this.#read(one, known === undefined);
      await rested();
    }
    const stale = this.#stale(facts);
    const until = this.#clock.monotonic() + WHOLE_MS;
    let done = 0;
    while (done < stale.length && this.#clock.monotonic() < until) this.#read(stale[done++]!, true);
    void this.#readLater(stale.slice(done));
    return facts.map((one) => this.#known(one)?.metrics ?? this.#read(one, true));
  }

  /** Whole readings beside everything else, one series at a time. */
  async #readLater(facts: readonly AgentFacts[]): Promise<void> {
    if (this.#reading || facts.length === 0) return;
    this.#reading = true;
    const rested = this.#turns();
    for (const one of facts) {
      await rested();
      if (this.#known(one)) this.#read(one, true);
    }
    this.#reading = false;
  }

  /** Those whose last whole reading is older than a tick, the oldest first. */
  #stale(facts: readonly AgentFacts[]): AgentFacts[] {
    const before = this.#clock.monotonic() - TICK_MS;
    const age = (one: AgentFacts): number => this.#known(one)?.wholeAt ?? Infinity;
    return facts.filter((one) => age(one) <= before).sort((a, b) => age(a) - age(b));
  }

  /** A function that lets the event loop have a turn when it is time. */
  #turns(): () => Promise<void> | void {
    let until = this.#clock.monotonic() + TURN_MS;
    return () => {
      if (this.#clock.monotonic() < until) return;
      return new Promise((resolve) =>
        setImmediate(() => {
          until = this.#clock.monotonic() + TURN_MS;
          resolve();
        })
      );
    };
  }

  /** What is known of this run of the agent. */
  #known(facts: AgentFacts): Watched | undefined {
    const known = this.#agents.get(facts.id);
    return known?.process?.pid === facts.pid ? known : undefined;
  }

  #read(facts: AgentFacts, whole: boolean): AgentMetrics {
    const memoryTotal = this.system().memory.total;
    const at = this.#clock.monotonic();
    const now = Math.floor(this.#clock.now());
    const watched: Watched = this.#known(facts) ?? {
      process: facts.pid > 0 ? new ProcessReader(facts.pid, memoryTotal, this.#clock) : null,
      cgroup: null,
      // A cgroup is made with its run, and counts from 0.
      cgroupCpu: facts.cgroup === null ? null : new Rate(at - facts.uptimeMs, 0),
      cgroupPercent: 0,
      at,
      wholeAt: at,
      metrics: null,
    };
    if (whole && facts.cgroup !== null) {
      watched.cgroup = readCgroup(facts.cgroup, this.#relative(facts.cgroup), now);
      const used = watched.cgroup?.cpu.usage_usec ?? 0;
      watched.cgroupPercent = Math.round((watched.cgroupCpu?.next(at, used) ?? 0) * 10) / 100;
    }
    watched.metrics = describeAgent(facts, {
      process: watched.process?.read(whole) ?? gone(facts.pid, now),
      cgroup: watched.cgroup,
      cgroupPercent: watched.cgroupPercent,
      memoryTotal,
    });
    watched.at = at;
    if (whole) watched.wholeAt = at;
    this.#watch(facts, watched);
    return watched.metrics;
  }

  #watch(facts: AgentFacts, watched: Watched): void {
    this.#agents.delete(facts.id);
    if (facts.pid === 0) return;
    this.#agents.set(facts.id, watched);
    // An agent that ended and that nobody asked about again: the one asked about longest ago goes.
    if (this.#agents.size > LIMITS.agents) this.#agents.delete(this.#agents.keys().next().value!);
  }

  /** The directory of a path below the machine's cgroup root; null when there is no such place. */
  cgroupDir(path: string): string | null {
    return this.#root === null ? null : cgroupDir(this.#root, path);
  }

  /** A cgroup by its directory; null when it is none, or cannot be read. */
  cgroup(dir: string, asked: string): CgroupMetrics | null {
    return readCgroup(dir, asked, Math.floor(this.#clock.now()));
  }

  #relative(dir: string): string {
    return this.#root !== null && dir.startsWith(`${this.#root}/`) ? dir.slice(this.#root.length + 1) : dir;
  }
}
