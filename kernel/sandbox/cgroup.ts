/**
 * The cgroup of one agent: limits, freezer, end.
 *
 * @module
 */
import type { Limits, Pressure } from "../agents/launch.ts";
import { readControl, readCounters, writeControl } from "./cgroup_files.ts";
import { holds, type LimitFile, limitFiles } from "./cgroup_limits.ts";
import { PressureWatch } from "./pressure.ts";

/** Rounds of waiting for the kernel to finish with a cgroup, each longer than the one before. */
const ROUNDS = 12;

/** A directory of cgroup v2 that holds one agent's processes, once: one that was killed is not used again. */
export class AgentCgroup {
  /** Host directory. */
  readonly path: string;
  readonly #watch: PressureWatch;
  #failed: ReadonlySet<LimitFile["limit"]> = new Set();
  #limits: Limits;

  /**
   * Makes the directory and applies the limits; {@link missing} says which could not be.
   *
   * @throws {Deno.errors.PermissionDenied} And others of mkdir(2).
   */
  constructor(path: string, limits: Limits) {
    this.path = path;
    this.#limits = limits;
    this.#watch = new PressureWatch(path);
    Deno.mkdirSync(path);
    this.#apply(limits);
  }

  /** Limits that were asked for and do not hold. */
  get missing(): readonly string[] {
    return [...this.#failed].flatMap((limit) => limit !== null && this.#wanted(limit) ? [limit] : []);
  }

  /** Which limits were asked for and hold. */
  get held(): { readonly memory: boolean; readonly cpu: boolean; readonly pids: boolean } {
    const held = (limit: keyof Limits & LimitFile["limit"]): boolean =>
      this.#wanted(limit) && !this.#failed.has(limit);
    return { memory: held("memory"), cpu: held("cpu_quota"), pids: held("max_pids") };
  }

  #wanted(limit: string): boolean {
    // The weight always has a value; the normal one needs no controller to hold.
    return limit === "cpu_shares"
      ? this.#limits.cpu_shares !== 1024
      : this.#limits[limit as keyof Limits] !== null;
  }

  #apply(limits: Limits): void {
    this.#limits = limits;
    const failed = new Set<LimitFile["limit"]>();
    for (const limit of limitFiles(limits)) {
      const problem = writeControl(this.path, limit.file, limit.value);
      if (problem !== null || !holds(limit, readControl(this.path, limit.file))) failed.add(limit.limit);
    }
    this.#failed = failed;
  }

  /** Writes limits, reads them back, and says which hold now. */
  setLimits(limits: Limits): { applied: Limits; missing: readonly string[] } {
    this.#apply(limits);
    const failed = this.#failed;
    return {
      applied: {
        memory: failed.has("memory") ? null : limits.memory,
        max_pids: failed.has("max_pids") ? null : limits.max_pids,
        cpu_quota: failed.has("cpu_quota") ? null : limits.cpu_quota,
        cpu_period: limits.cpu_period,
        cpu_shares: failed.has("cpu_shares") ? 1024 : limits.cpu_shares,
      },
      missing: this.missing,
    };
  }

  /**
   * Freezes or thaws all processes, and waits until they are.
   *
   * @returns False where there is no freezer.
   */
  async freeze(frozen: boolean): Promise<boolean> {
    const word = frozen ? 1 : 0;
    if (writeControl(this.path, "cgroup.freeze", String(word)) !== null) return false;
    for (let round = 0; round < ROUNDS; round++) {
      if (readCounters(this.path, "cgroup.events").frozen === word) return true;
      await pause(round);
    }
    return true; // asked for; a process in an uninterruptible wait follows when it returns
  }

  /**
   * Kills all processes, frozen ones too.
   *
   * @returns False where the kernel cannot (before Linux 5.14).
   */
  kill(): boolean {
    return writeControl(this.path, "cgroup.kill", "1") === null;
  }

  /** The memory limit, if it killed somebody here. */
  oom(): { readonly limit: number | null } | null {
    const { oom_kill = 0, oom_group_kill = 0 } = readCounters(this.path, "memory.events");
    return oom_kill + oom_group_kill > 0 ? { limit: this.#limits.memory } : null;
  }

  /** Calls back on pressure; returns the undo. */
  onPressure(listener: (warning: Pressure) => void): () => void {
    return this.#watch.add(listener);
  }

  /**
   * Removes the directory; nothing may be running in it.
   *
   * @throws {Error} If the kernel does not let go of it.
   */
  async remove(): Promise<void> {
    this.#watch.look(); // what ended the agent may have come since the last time
    this.#watch[Symbol.dispose]();
    for (let round = 0;; round++) {
      try {
        Deno.removeSync(this.path);
        return;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return;
        // EBUSY for as long as the last process is still being taken apart.
        if (round >= ROUNDS) throw error;
        await pause(round);
      }
    }
  }
}

/** Waits 1, 2, 4, … ms, at most a quarter of a second. */
function pause(round: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(250, 2 ** round)));
}
