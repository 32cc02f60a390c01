/**
 * One cgroup (v2).
 *
 * @module
 */
import { isAbsent, keyed, readText, wholeNumber } from "./read.ts";

/** Bytes are bytes, times are microseconds. Where a controller is absent, its counters are 0 and its limits none. */
export interface CgroupMetrics {
  /** Epoch milliseconds. */
  readonly timestamp: number;
  /** As it was asked for. */
  readonly cgroup_path: string;
  readonly valid: boolean;
  readonly cpu: {
    readonly usage_usec: number;
    readonly user_usec: number;
    readonly system_usec: number;
    readonly throttled_usec: number;
    readonly nr_periods: number;
    readonly nr_throttled: number;
    /** 0 is unlimited. */
    readonly quota_usec: number;
    readonly period_usec: number;
  };
  /** 18446744073709551615 (rounded by JavaScript) is unlimited. */
  readonly memory: {
    readonly current: number;
    readonly min: number;
    readonly low: number;
    readonly high: number;
    readonly max: number;
    readonly peak: number;
    readonly swap_current: number;
    readonly swap_max: number;
    readonly oom_kills: number;
  };
  /** `max` -1 is unlimited. */
  readonly pids: { readonly current: number; readonly max: number };
  readonly io: {
    readonly read_bytes: number;
    readonly write_bytes: number;
    readonly read_ops: number;
    readonly write_ops: number;
  };
}

/** The original's number for "no limit": 2^64 - 1, which a JavaScript number holds as 2^64. */
export const UNLIMITED = 2 ** 64;
/** Period of cpu.max unless set. */
const DEFAULT_PERIOD_US = 100_000;

/** Where cgroup v2 is mounted; null where it is not. */
export function cgroupRoot(mountinfo: string = readText("/proc/self/mountinfo")): string | null {
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    if (after?.startsWith("cgroup2 ")) return before!.split(" ")[4] ?? null;
  }
  return null;
}

/**
 * The directory of a relative path below the root; null when the path leads anywhere else. cgroup file systems hold no
 * links, so the text decides.
 */
export function cgroupDir(root: string, path: string): string | null {
  if (path.length > 4_096 || path.includes("\0")) return null;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  return names.includes("..") ? null : [root, ...names].join("/");
}

/** Reads a cgroup; null when the directory is none. */
export function readCgroup(dir: string, asked: string, timestamp: number): CgroupMetrics | null {
  if (!isCgroup(dir)) return null;
  const cpu = keyed(readText(`${dir}/cpu.stat`));
  const [quota, period] = readText(`${dir}/cpu.max`).trim().split(" ");
  const number = (file: string): number => wholeNumber(readText(`${dir}/${file}`));
  return {
    timestamp,
    cgroup_path: asked,
    valid: true,
    cpu: {
      usage_usec: cpu.get("usage_usec") ?? 0,
      user_usec: cpu.get("user_usec") ?? 0,
      system_usec: cpu.get("system_usec") ?? 0,
      throttled_usec: cpu.get("throttled_usec") ?? 0,
      nr_periods: cpu.get("nr_periods") ?? 0,
      nr_throttled: cpu.get("nr_throttled") ?? 0,
      quota_usec: wholeNumber(quota),
      period_usec: wholeNumber(period, DEFAULT_PERIOD_US),
    },
    memory: {
      current: number("memory.current"),
      min: limit(dir, "memory.min", 0),
      low: limit(dir, "memory.low", 0),
      high: limit(dir, "memory.high", UNLIMITED),
      max: limit(dir, "memory.max", UNLIMITED),
      peak: number("memory.peak"),
      swap_current: number("memory.swap.current"),
      swap_max: limit(dir, "memory.swap.max", UNLIMITED),
      oom_kills: keyed(readText(`${dir}/memory.events`)).get("oom_kill") ?? 0,
    },
    pids: { current: number("pids.current"), max: wholeNumber(readText(`${dir}/pids.max`), -1) },
    io: ioOf(readText(`${dir}/io.stat`)),
  };
}

function isCgroup(dir: string): boolean {
  try {
    return Deno.statSync(`${dir}/cgroup.procs`).isFile;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** A limit; the word `max` is none. */
function limit(dir: string, file: string, absent: number): number {
  const text = readText(`${dir}/${file}`);
  return text.startsWith("max") ? UNLIMITED : wholeNumber(text, absent);
}

/** Sums the devices of `io.stat`, whose lines are `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
export function ioOf(text: string): CgroupMetrics["io"] {
  const sum = (key: string): number => {
    let total = 0;
    for (const match of text.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))) total += Number(match[1]);
    return total;
  };
  return {
    read_bytes: sum("rbytes"),
    write_bytes: sum("wbytes"),
    read_ops: sum("rios"),
    write_ops: sum("wios"),
  };
}
