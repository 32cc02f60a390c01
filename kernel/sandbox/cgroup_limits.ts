/**
 * Limits in the words of cgroup v2: what to write, and what a file read back says about it. Pure.
 *
 * @module
 */
import type { Limits } from "../agents/launch.ts";

/** One file to write. */
export interface LimitFile {
  readonly file: string;
  readonly value: string;
  /** The key of {@link Limits} it stands for; null for what only accompanies one. */
  readonly limit: "memory" | "max_pids" | "cpu_quota" | "cpu_shares" | null;
}

const PAGE_BYTES = 4096;
const NORMAL_SHARES = 1024;

/** `cpu.weight` of shares: 100 is normal there, 1 to 10000 are allowed. */
export function weightOf(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round((shares * 100) / NORMAL_SHARES)));
}

/** The files that carry limits, in the order in which they are written. */
export function limitFiles(limits: Limits): readonly LimitFile[] {
  const word = (value: number | null): string => value === null ? "max" : String(value);
  return [
    { file: "memory.max", value: word(limits.memory), limit: "memory" },
    // A limit on memory that may spill into swap is a limit on speed.
    { file: "memory.swap.max", value: limits.memory === null ? "max" : "0", limit: null },
    // Half of an agent killed is worse than all of it.
    { file: "memory.oom.group", value: "1", limit: null },
    { file: "cpu.max", value: `${word(limits.cpu_quota)} ${limits.cpu_period}`, limit: "cpu_quota" },
    { file: "cpu.weight", value: String(weightOf(limits.cpu_shares)), limit: "cpu_shares" },
    { file: "pids.max", value: word(limits.max_pids), limit: "max_pids" },
  ];
}

/** Whether what a file says now is what was written to it. The kernel keeps memory in whole pages. */
export function holds({ file, value }: LimitFile, actual: string | null): boolean {
  if (actual === null) return false;
  if (file !== "memory.max" || value === "max") return actual === value;
  return Number(actual) === Math.floor(Number(value) / PAGE_BYTES) * PAGE_BYTES;
}
