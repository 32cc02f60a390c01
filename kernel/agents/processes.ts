/**
 * What the machine knows about processes: parents, sessions, memory. From `/proc`; where there is none every answer
 * is "unknown", never an error.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

/** Bytes of a page on the machines Clove runs on; `/proc/PID/statm` counts pages. */
const PAGE_BYTES = 4096;
/** USER_HZ of Linux, in which `/proc/PID/stat` counts time; part of the kernel's ABI. */
const TICKS_PER_SECOND = 100;

/** One line of `/proc/PID/stat`, as far as it is needed here. See proc(5). */
export interface ProcessStat {
  readonly pid: number;
  /** One letter: `R`, `S`, `T` (stopped), `Z` (zombie). */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Milliseconds of CPU, in user and kernel mode together. */
  readonly cpuMs: number;
  /** Clock ticks after boot; with the pid it names a process for ever. */
  readonly startTicks: number;
  /** Bytes of memory it holds, within the precision of the machine's own counting. */
  readonly residentBytes: number;
}

/** Reads one process; null when it is gone or there is no `/proc`. */
export async function processStat(pid: number): Promise<ProcessStat | null> {
  const text = await readText(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(text);
}

/** {@link processStat} without giving the event loop a turn; about 20 us. */
export function processStatNow(pid: number): ProcessStat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** Takes a line of `/proc/PID/stat` apart. The name stands in parentheses and may itself hold any character. */
export function parseStat(line: string): ProcessStat | null {
  const close = line.lastIndexOf(")");
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(close + 2).split(" ");
  if (close < 0 || !Number.isInteger(pid) || fields.length < 22) return null;
  const number = (field: number): number => Number(fields[field - 3]);
  return {
    pid,
    state: fields[0]!,
    parent: number(4),
    group: number(5),
    session: number(6),
    cpuMs: (number(14) + number(15)) * (1000 / TICKS_PER_SECOND),
    startTicks: number(22),
    residentBytes: number(24) * PAGE_BYTES,
  };
}

/**
 * Every live process of a session, zombies left out.
 *
 * @param escaped Finds those that left the session too: they began no earlier than `since` (in
 *   {@link ProcessStat.startTicks}) and still carry the variable, such as `CLOVE_SOCKET=/run/…`.
 */
export async function sessionMembers(
  session: number,
  escaped?: { variable: string; since: number },
): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir("/proc");
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
  const members: number[] = [];
  // Whatever the leader started came after it: unless the numbers began anew meanwhile, smaller ones are others'.
  const last = await lastPid();
  const least = last !== null && last >= session ? session : 0;
  // One at a time: the walk is rare, and a burst of reads would take the threads that file syscalls need.
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid < least) continue;
    const stat = await processStat(pid);
    if (!stat || stat.state === "Z" || stat.state === "X") continue;
    if (stat.session === session) members.push(pid);
    else if (escaped && stat.startTicks >= escaped.since && await carries(pid, escaped.variable)) {
      members.push(pid);
    }
  }
  return members;
}

/** The number given last: the fifth field of `/proc/loadavg`. See proc(5). */
async function lastPid(): Promise<number | null> {
  const last = Number((await readText("/proc/loadavg"))?.trim().split(" ")[4]);
  return Number.isInteger(last) && last > 0 ? last : null;
}

async function carries(pid: number, variable: string): Promise<boolean> {
  return (await readText(`/proc/${pid}/environ`))?.split("\0").includes(variable) ?? false;
}

/** Bytes of memory a cgroup holds; null when unknown. About 20 us, without giving the event loop a turn. */
export function cgroupBytesNow(directory: string): number | null {
  try {
    const bytes = Number(readFileSync(`${directory}/memory.current`, "utf8"));
    return Number.isFinite(bytes) ? bytes : null;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** The process ended, belongs to somebody else, or the machine has no `/proc`. */
function isGone(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  return ["ENOENT", "ESRCH", "EACCES", "EPERM", "ENOTDIR"].includes(code) ||
    error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.NotFound;
}
