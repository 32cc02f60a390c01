/**
 * The cgroup of one agent.
 *
 * @module
 */
import type { Limits, Pressure } from "../agents/launch.ts";
import type { LimitsHeld } from "./isolation.ts";

/** A directory of cgroup v2 that holds one agent's processes, once. */
export interface AgentCgroup {
  /** Host directory. */
  readonly path: string;
  /** Which of the limits that were asked for hold. */
  readonly held: LimitsHeld;
  /** Writes limits, reads them back, and says which hold now. */
  setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }>;
  /** Freezes or thaws all processes; false where there is no freezer. */
  freeze(frozen: boolean): Promise<boolean>;
  /** Kills all processes, frozen ones too. */
  kill(): Promise<void>;
  /** Whether the memory limit killed somebody here. */
  killedForMemory(): Promise<boolean>;
  /** Calls back on pressure; returns the undo. */
  onPressure(listener: (warning: Pressure) => void): () => void;
  /** Removes the directory. Nothing may be running in it. */
  remove(): Promise<void>;
}
