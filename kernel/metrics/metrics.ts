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
/** Agents read without a pause: about 1 ms. */
const AT_ONCE = 16;

/** One agent's readers and its latest metrics. */
interface Watched {
  readonly process: ProcessReader | null;
  cgroupCpu: Rate | null;
  at: number;
  metrics: AgentMetrics | null;
}

/** Reads metrics. */
export class Metrics {
  readonly #clock: Clock;
  readonly #reader: SystemReader;
  readonly #root: string | null;
  readonly #agents = new Map<number, Watched>();
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

  /** One agent. */
  agent(facts: AgentFacts): AgentMetrics {
    const at = this.#clock.monotonic();
    const known = this.#agents.get(facts.id);
    const same = known && (known.process?.pid ?? 0) === facts.pid;
    if (same && known.metrics?.state === facts.state && at - known.at < TICK_MS) return known.metrics;
    const memoryTotal = this.system().memory.total;
    const now = Math.floor(this.#clock.now());
    const watched: Watched = same ? known : {
      process: facts.pid > 0 ? new ProcessReader(facts.pid, memoryTotal, this.#clock) : null,
      cgroupCpu: null,
      at,
      metrics: null,
    };
    const cgroup = facts.cgroup === null ? null : readCgroup(facts.cgroup, this.#relative(facts.cgroup), now);
    let cgroupPercent = 0;
    if (cgroup) {
      // A cgroup is made with its run, and counts from 0.
      watched.cgroupCpu ??= new Rate(at - facts.uptimeMs, 0);
      cgroupPercent = Math.round(watched.cgroupCpu.next(at, cgroup.cpu.usage_usec) * 10) / 100;
    }
    const metrics = describeAgent(facts, {
      process: watched.process?.read() ?? gone(facts.pid, now),
      cgroup,
      cgroupPercent,
      memoryTotal,
    });
    watched.at = at;
    watched.metrics = metrics;
    this.#watch(facts, watched);
    return metrics;
  }

  #watch(facts: AgentFacts, watched: Watched): void {
    this.#agents.delete(facts.id);
    if (facts.pid === 0) return;
    this.#agents.set(facts.id, watched);
    // An agent that ended and that nobody asked about again: the one asked about longest ago goes.
    if (this.#agents.size > LIMITS.agents) this.#agents.delete(this.#agents.keys().next().value!);
  }

  /** All these agents. */
  async all(facts: readonly AgentFacts[]): Promise<AgentMetrics[]> {
    const found: AgentMetrics[] = [];
    for (const [index, one] of facts.entries()) {
      if (index % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
      found.push(this.agent(one));
    }
    return found;
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
