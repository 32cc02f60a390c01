/**
 * One process, from `/proc/PID`.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import { Rate } from "./rate.ts";
import { isAbsent, keyed, percentOf, readText, wholeNumber } from "./read.ts";

/** Bytes are bytes. A process that is gone has state `?` and zeros. */
export interface ProcessMetrics {
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly pid: number;
  readonly ppid: number;
  readonly name: string;
  /** A letter as in proc(5), such as `R` and `S`; `?` when it is gone. */
  readonly state: string;
  /** At most {@link CMDLINE_CHARS} characters. */
  readonly cmdline: string;
  readonly cpu: {
    /** Of one core, over the last seconds; more than 100 with several threads. */
    readonly percent: number;
    readonly time_user_ms: number;
    readonly time_system_ms: number;
    readonly priority: number;
    readonly nice: number;
  };
  readonly memory: {
    readonly rss: number;
    readonly vms: number;
    readonly shared: number;
    readonly data: number;
    /** Of the machine's memory. */
    readonly percent: number;
  };
  readonly io: {
    readonly read_bytes: number;
    readonly write_bytes: number;
    readonly read_ops: number;
    readonly write_ops: number;
  };
  readonly threads: number;
  /** Open descriptors; 0 when they are not ours to count. */
  readonly fds: number;
}

/** Command lines are shown, and may be as long as their process likes. */
const CMDLINE_CHARS = 1_024;
/** Pages of `/proc/PID/statm` on the machines Clove runs on. */
const PAGE_BYTES = 4_096;
/** USER_HZ, in which `/proc/PID/stat` counts; part of Linux's ABI. */
const MS_PER_TICK = 10;

/** Reads one process over and over, and so knows how much of a core it takes. */
export class ProcessReader {
  readonly pid: number;
  readonly #clock: Clock;
  readonly #memoryTotal: number;
  #cpu: Rate | null = null;
  /** Ticks after boot: tells a later process of the same number from this one. */
  #born: string | undefined;
  #rest: Rest | null = null;

  /** @param memoryTotal Bytes of the machine, for the share of it. */
  constructor(pid: number, memoryTotal: number, clock: Clock) {
    this.pid = pid;
    this.#clock = clock;
    this.#memoryTotal = memoryTotal;
  }

  /**
   * The metrics now.
   *
   * @param whole False keeps the command line, shared and data memory, I/O and descriptors of the last whole reading:
   * four of the five files.
   */
  read(whole = true): ProcessMetrics {
    const timestamp = Math.floor(this.#clock.now());
    const stat = statFields(readText(`/proc/${this.pid}/stat`));
    this.#born ??= stat?.fields[19];
    if (!stat || stat.fields[19] !== this.#born) return gone(this.pid, timestamp);
    const { name, fields } = stat;
    const user = wholeNumber(fields[11]) * MS_PER_TICK;
    const system = wholeNumber(fields[12]) * MS_PER_TICK;
    const rss = wholeNumber(fields[21]) * PAGE_BYTES;
    if (whole || !this.#rest) this.#rest = restOf(`/proc/${this.pid}`);
    const { cmdline, shared, data, io, fds } = this.#rest;
    return {
      timestamp,
      pid: this.pid,
      ppid: wholeNumber(fields[1]),
      name,
      state: fields[0] ?? "?",
      cmdline,
      cpu: {
        percent: this.#percent(user + system, wholeNumber(fields[19]) * MS_PER_TICK),
        time_user_ms: user,
        time_system_ms: system,
        priority: wholeNumber(fields[15]),
        nice: wholeNumber(fields[16]),
      },
      memory: {
        rss,
        vms: wholeNumber(fields[20]),
        shared,
        data,
        percent: percentOf(rss, this.#memoryTotal),
      },
      io,
      threads: wholeNumber(fields[17]),
      fds,
    };
  }

  /** @param bornMs Milliseconds between boot and birth. */
  #percent(cpuMs: number, bornMs: number): number {
    const at = this.#clock.monotonic();
    if (!this.#cpu) {
      // The first answer is about the whole life so far: the counter was 0 at birth.
      const upMs = Number.parseFloat(readText("/proc/uptime")) * 1_000;
      const age = Number.isFinite(upMs) ? Math.max(0, upMs - bornMs) : 0;
      this.#cpu = new Rate(at - age, 0);
    }
    return Math.round(this.#cpu.next(at, cpuMs) * 10_000) / 100;
  }
}

/** What is not in `/proc/PID/stat`. */
interface Rest {
  readonly cmdline: string;
  readonly shared: number;
  readonly data: number;
  readonly io: ProcessMetrics["io"];
  readonly fds: number;
}

function restOf(dir: string): Rest {
  const pages = readText(`${dir}/statm`).split(" ");
  const io = keyed(readText(`${dir}/io`));
  return {
    cmdline: readText(`${dir}/cmdline`).slice(0, CMDLINE_CHARS).replaceAll("\0", " ").trim(),
    shared: wholeNumber(pages[2]) * PAGE_BYTES,
    data: wholeNumber(pages[5]) * PAGE_BYTES,
    io: {
      read_bytes: io.get("read_bytes") ?? 0,
      write_bytes: io.get("write_bytes") ?? 0,
      read_ops: io.get("syscr") ?? 0,
      write_ops: io.get("syscw") ?? 0,
    },
    fds: descriptors(`${dir}/fd`),
  };
}

/** Takes a line of `/proc/PID/stat` apart: `fields[0]` is the state, the third of proc(5). Null without a process. */
export function statFields(line: string): { name: string; fields: string[] } | null {
  // The name stands in parentheses and may hold any character, parentheses too.
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  if (open < 0 || close < open) return null;
  return { name: line.slice(open + 1, close), fields: line.slice(close + 2).trim().split(" ") };
}

function descriptors(path: string): number {
  try {
    // Since Linux 6.2 the directory's size is their number, which is ten times as fast as listing them.
    const { size } = Deno.statSync(path);
    if (size > 0) return size;
    let count = 0;
    for (const _entry of Deno.readDirSync(path)) count++;
    return count;
  } catch (error) {
    if (isAbsent(error)) return 0;
    throw error;
  }
}

/** A process that is not there. */
export function gone(pid: number, timestamp: number): ProcessMetrics {
  return {
    timestamp,
    pid,
    ppid: 0,
    name: "",
    state: "?",
    cmdline: "",
    cpu: { percent: 0, time_user_ms: 0, time_system_ms: 0, priority: 0, nice: 0 },
    memory: { rss: 0, vms: 0, shared: 0, data: 0, percent: 0 },
    io: { read_bytes: 0, write_bytes: 0, read_ops: 0, write_ops: 0 },
    threads: 0,
    fds: 0,
  };
}
