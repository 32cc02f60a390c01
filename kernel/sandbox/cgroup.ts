/**
 * The cgroup of one agent: limits, freezer, end.
 *
 * The agent's directory carries the limits. Processes are in leaves below it, one for the agent itself and one for each
 * command that is run for it, so that all of them share what the agent may use. A leaf is killed as a whole when memory
 * runs out: a command that takes it all goes alone if it is the larger part, and the agent stays.
 *
 * @module
 */
import type { Limits, Pressure } from "../agents/launch.ts";
import { readControl, readCounters, writeControl } from "./cgroup_files.ts";
import { holds, ioHolds, ioLine, ioWanted, limitFiles } from "./cgroup_limits.ts";
import { hasSwap } from "./devices.ts";
import type { LimitsHeld } from "./isolation.ts";
import { PressureWatch } from "./pressure.ts";

/** Rounds of waiting for the kernel to finish with a cgroup, each longer than the one before. */
const ROUNDS = 12;
/** The leaf of the agent itself. */
const MAIN = "main";

/** What a process knows of the cgroup it is in. */
export interface ProcessCgroup {
  /** Host directory whose counters and limits are the process's. */
  readonly path: string;
  /** Host directory to be born in. */
  readonly leaf: string;
  /** Limits that were asked for and do not hold. */
  readonly missing: readonly string[];
  /** Which limits were asked for and hold. */
  readonly held: LimitsHeld;
  /** Writes limits, reads them back, and says which hold now. */
  setLimits(limits: Limits): { applied: Limits; missing: readonly string[] };
  /** Freezes or thaws all processes, and waits until they are; false where there is no freezer. */
  freeze(frozen: boolean): Promise<boolean>;
  /** Kills all processes, frozen ones too; false where the kernel cannot (before Linux 5.14). */
  kill(): boolean;
  /** The memory limit, if it killed somebody here. */
  oom(): { readonly limit: number | null } | null;
  /** Calls back on pressure; returns the undo. */
  onPressure(listener: (warning: Pressure) => void): () => void;
  /**
   * Removes the directory; nothing may be running in it.
   *
   * @throws {Error} If the kernel does not let go of it.
   */
  remove(): Promise<void>;
}

/** What an agent's cgroup is made of. */
export interface AgentCgroupOptions {
  readonly limits: Limits;
  /** Disks its writable places are on, as `MAJOR:MINOR`; null in place of one that cannot be limited. */
  readonly devices: readonly (string | null)[];
  /** Called before disks are limited for the first time. */
  readonly beforeIo?: () => void;
  /** Called when the directory is no more. */
  readonly onRemoved?: () => void;
}

/** A directory of cgroup v2 that holds one agent's processes, once: one that was killed is not used again. */
export class AgentCgroup implements ProcessCgroup {
  readonly path: string;
  readonly leaf: string;
  readonly #watch: PressureWatch;
  readonly #options: AgentCgroupOptions;
  #failed: ReadonlySet<keyof Limits> = new Set();
  #limits: Limits;
  #commands = 0;
  /** Memory ran so short that nothing went on any more, and the kernel of this runtime ended it. */
  #stuck = false;

  /**
   * Makes the directory and applies the limits; {@link missing} says which could not be.
   *
   * @throws {Deno.errors.PermissionDenied} And others of mkdir(2).
   */
  constructor(path: string, options: AgentCgroupOptions) {
    const { limits } = options;
    this.path = path;
    this.#options = options;
    this.leaf = `${path}/${MAIN}`;
    this.#limits = limits;
    this.#watch = new PressureWatch(path, () => {
      this.#stuck = true;
      this.kill();
    });
    Deno.mkdirSync(path);
    this.#apply(limits);
    // Where memory is not counted there is nothing to hand on.
    writeControl(path, "cgroup.subtree_control", "+memory");
    makeLeaf(this.leaf);
    if (limits.memory !== null) this.#watch.start();
  }

  get missing(): readonly string[] {
    return [...this.#failed];
  }

  get held(): LimitsHeld {
    const held = (limit: keyof Limits): boolean =>
      typeof this.#limits[limit] === "number" && !this.#failed.has(limit);
    return { memory: held("memory"), cpu: held("cpu_quota"), pids: held("max_pids") };
  }

  /** The limits that were asked for last. */
  get limits(): Limits {
    return this.#limits;
  }

  /**
   * Makes a leaf for a command that shares the limits.
   *
   * @throws {Deno.errors.NotFound} When the agent's cgroup was removed.
   */
  command(): ProcessCgroup {
    return new CommandCgroup(this, `${this.path}/exec_${++this.#commands}`);
  }

  #apply(limits: Limits): void {
    this.#limits = limits;
    const failed = new Set<keyof Limits>();
    for (const limit of limitFiles(limits)) {
      const problem = writeControl(this.path, limit.file, limit.value);
      const applied = problem === null && holds(limit, readControl(this.path, limit.file));
      if (!applied && limit.limit !== null && matters(limit.limit, limits)) failed.add(limit.limit);
    }
    for (const limit of this.#unlimitedIo(limits)) failed.add(limit);
    this.#failed = failed;
  }

  /** Limits the disks, and names the limits that do not hold on all of them. */
  #unlimitedIo(limits: Limits): readonly (keyof Limits)[] {
    const wanted = ioWanted(limits);
    const { devices, beforeIo } = this.#options;
    if (wanted.length > 0) beforeIo?.();
    // The file is only there once a limit was asked for.
    else if (readControl(this.path, "io.max") === null) return [];
    let whole = true;
    for (const device of devices) {
      const line = device === null ? null : ioLine(device, limits);
      const problem = line === null ? "no disk" : writeControl(this.path, "io.max", line);
      whole = problem === null && ioHolds(line!, readControl(this.path, "io.max")) && whole;
    }
    return whole && devices.length > 0 ? [] : wanted;
  }

  setLimits(limits: Limits): { applied: Limits; missing: readonly string[] } {
    this.#apply(limits);
    const applied: Record<string, number | null> = { ...limits };
    for (const limit of this.#failed) applied[limit] = limit === "cpu_shares" ? 1024 : null;
    return { applied: applied as unknown as Limits, missing: this.missing };
  }

  freeze(frozen: boolean): Promise<boolean> {
    return freeze(this.path, frozen);
  }

  kill(): boolean {
    return writeControl(this.path, "cgroup.kill", "1") === null;
  }

  oom(): { readonly limit: number | null } | null {
    return this.#stuck || killedForMemory(this.leaf) ? { limit: this.#limits.memory } : null;
  }

  onPressure(listener: (warning: Pressure) => void): () => void {
    return this.#watch.add(listener);
  }

  async remove(): Promise<void> {
    this.#watch.look(); // what ended the agent may have come since the last time
    this.#watch[Symbol.dispose]();
    await removeLeaf(this.leaf);
    for (const { name, isDirectory } of leavesOf(this.path)) {
      if (isDirectory) await removeLeaf(`${this.path}/${name}`);
    }
    await removeLeaf(this.path);
    this.#options.onRemoved?.();
  }
}

/** The leaf of one command. */
class CommandCgroup implements ProcessCgroup {
  readonly leaf: string;
  readonly #agent: AgentCgroup;

  constructor(agent: AgentCgroup, leaf: string) {
    this.#agent = agent;
    this.leaf = leaf;
    makeLeaf(leaf);
  }

  get path(): string {
    return this.leaf;
  }

  get missing(): readonly string[] {
    return this.#agent.missing;
  }

  get held(): LimitsHeld {
    return this.#agent.held;
  }

  setLimits(): { applied: Limits; missing: readonly string[] } {
    return { applied: this.#agent.limits, missing: this.missing };
  }

  freeze(frozen: boolean): Promise<boolean> {
    return freeze(this.leaf, frozen);
  }

  kill(): boolean {
    return writeControl(this.leaf, "cgroup.kill", "1") === null;
  }

  oom(): { readonly limit: number | null } | null {
    return killedForMemory(this.leaf) ? { limit: this.#agent.limits.memory } : null;
  }

  /** The agent is warned of what it shares. */
  onPressure(): () => void {
    return () => {};
  }

  remove(): Promise<void> {
    return removeLeaf(this.leaf);
  }
}

/** Whether it is worth a word that a limit does not hold. */
function matters(limit: keyof Limits, limits: Limits): boolean {
  // The weight always has a value; the normal one needs no controller to hold.
  if (limit === "cpu_shares") return limits.cpu_shares !== 1024;
  // Nothing is swapped out where there is nowhere to.
  if (limit === "memory_swap") {
    return typeof limits.memory_swap === "number" || limits.memory !== null && hasSwap();
  }
  return typeof limits[limit] === "number";
}

function makeLeaf(leaf: string): void {
  Deno.mkdirSync(leaf);
  // Half of an agent killed is worse than all of it. Where memory is not counted, nobody is killed for it.
  writeControl(leaf, "memory.oom.group", "1");
}

function killedForMemory(leaf: string): boolean {
  const { oom_kill = 0, oom_group_kill = 0 } = readCounters(leaf, "memory.events");
  return oom_kill + oom_group_kill > 0;
}

async function freeze(path: string, frozen: boolean): Promise<boolean> {
  const word = frozen ? 1 : 0;
  if (writeControl(path, "cgroup.freeze", String(word)) !== null) return false;
  for (let round = 0; round < ROUNDS; round++) {
    if (readCounters(path, "cgroup.events").frozen === word) return true;
    await pause(round);
  }
  return true; // asked for; a process in an uninterruptible wait follows when it returns
}

function leavesOf(path: string): readonly Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function removeLeaf(path: string): Promise<void> {
  for (let round = 0;; round++) {
    try {
      Deno.removeSync(path);
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      // EBUSY for as long as the last process is still being taken apart.
      if (round >= ROUNDS) throw error;
      await pause(round);
    }
  }
}

/** Waits 1, 2, 4, … ms, at most a quarter of a second. */
function pause(round: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(250, 2 ** round)));
}
