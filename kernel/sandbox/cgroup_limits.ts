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
  readonly limit: keyof Limits | null;
}

const PAGE_BYTES = 4096;
const NORMAL_SHARES = 1024;

/** The keys of `io.max` by the names of the limits they carry. See the kernel's cgroup-v2.rst, "IO". */
const IO_KEYS = {
  io_read_bps: "rbps",
  io_write_bps: "wbps",
  io_read_iops: "riops",
  io_write_iops: "wiops",
} as const;
const IO_LIMITS = Object.keys(IO_KEYS) as readonly (keyof typeof IO_KEYS)[];

/** `cpu.weight` of shares: 100 is normal there, 1 to 10000 are allowed. */
export function weightOf(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round((shares * 100) / NORMAL_SHARES)));
}

/** The files that carry limits, in the order in which they are written; those of devices are {@link ioLines}. */
export function limitFiles(limits: Limits): readonly LimitFile[] {
  // A limit on memory that may spill into swap is a limit on speed.
  const swap = limits.memory_swap ?? (limits.memory === null ? null : 0);
  return [
    { file: "memory.max", value: word(limits.memory), limit: "memory" },
    { file: "memory.high", value: word(limits.memory_high), limit: "memory_high" },
    { file: "memory.swap.max", value: word(swap), limit: "memory_swap" },
    { file: "cpu.max", value: `${word(limits.cpu_quota)} ${limits.cpu_period}`, limit: "cpu_quota" },
    { file: "cpu.weight", value: String(weightOf(limits.cpu_shares)), limit: "cpu_shares" },
    { file: "pids.max", value: word(limits.max_pids), limit: "max_pids" },
  ];
}

/** The limits on input and output that were asked for. */
export function ioWanted(limits: Limits): readonly (keyof Limits)[] {
  return IO_LIMITS.filter((limit) => typeof limits[limit] === "number");
}

/**
 * What to write to `io.max` for one device.
 *
 * @param device `MAJOR:MINOR` of a whole disk.
 */
export function ioLine(device: string, limits: Limits): string {
  return `${device} ${IO_LIMITS.map((limit) => `${IO_KEYS[limit]}=${word(limits[limit])}`).join(" ")}`;
}

/**
 * Whether `io.max` says what was written to it; a disk without limits has no line there.
 *
 * @param line Of {@link ioLine}.
 */
export function ioHolds(line: string, actual: string | null): boolean {
  if (actual === null) return false;
  const device = line.slice(0, line.indexOf(" ") + 1);
  const found = actual.split("\n").find((each) => each.startsWith(device));
  return found === undefined ? !/=\d/.test(line) : found === line;
}

/** Whether what a file says now is what was written to it. The kernel keeps memory in whole pages. */
export function holds({ file, value }: LimitFile, actual: string | null): boolean {
  if (actual === null) return false;
  if (!file.startsWith("memory.") || value === "max") return actual === value;
  return Number(actual) === Math.floor(Number(value) / PAGE_BYTES) * PAGE_BYTES;
}

function word(value: number | null | undefined): string {
  return typeof value === "number" ? String(value) : "max";
}
