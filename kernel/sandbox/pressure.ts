/**
 * Tells when an agent comes near its limits: compares what its cgroup counts now with what it counted before.
 *
 * The files are read once a second, and for an agent that did nothing since the last time only one of them. A watch on
 * each would cost a thread of Deno's and an inotify instance, of which a user has 128; and the descriptor of a PSI
 * trigger can only be polled, which Deno's reactor does not do for files. The totals that a trigger goes by are in the
 * same files, so comparing two of them over a second tells the same.
 *
 * It also ends what is stuck. Linux kills for memory only when nothing can be taken back; an agent whose data fills its
 * limit but for a few pages makes it take back and read again the pages of the agent's own program, for minutes or for
 * ever. An agent that for {@link STUCK_MS} did little else is ended, as by its memory limit.
 *
 * @module
 */
import type { Pressure } from "../agents/launch.ts";
import { readControl, readCounters, readStall } from "./cgroup_files.ts";

/** Between two looks. */
export const LOOK_MS = 1000;
/** Part of the memory limit from which on it is worth a word. */
const NEAR_LIMIT = 0.9;
/** Part of the time between two looks spent stalled. */
const STALLED = 0.2;
/** The same for waiting for a CPU, which is no harm in small parts. */
const STALLED_CPU = 0.5;
/** Part of the CPU periods in which the quota ran out. */
const THROTTLED = 0.5;
/** Part of the memory limit taken by what cannot be taken back: an agent that only reads much is not stuck. */
const STUCK_HELD = 0.75;
/** Part of the time in which all of an agent waited for memory: enough to be stuck. */
const STUCK_WAITING = 0.5;
/** Or: so many pages a second of programs and other mapped files are read again … */
const STUCK_FAULTS = 32;
/** … and of the CPU time only this part was the program's own, the rest went into finding pages to give up. */
const STUCK_PROGRESS = 0.15;
/** So long it has to last. A better second makes up for a bad one. */
const STUCK_MS = 3000;

/** What a cgroup counts at one moment. */
export interface Counters {
  readonly atMs: number;
  readonly memory: number;
  readonly memoryLimit: number | null;
  readonly pids: number;
  readonly pidsLimit: number | null;
  /** memory.events: `high`, `max`, `oom_kill`. */
  readonly memoryEvents: Readonly<Record<string, number>>;
  /** pids.events `max`: forks refused. */
  readonly forksRefused: number;
  /** cpu.stat. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Microseconds stalled so far. */
  readonly stalled: { readonly memory: number; readonly cpu: number; readonly io: number };
  /** Microseconds in which all processes of the agent together waited for memory. */
  readonly waited: number;
  /** Of memory.stat, near the limit; null elsewhere, for the file is long. */
  readonly reclaim: {
    /** Bytes that cannot be taken back without swap: all but the pages of files, and caches of the kernel's. */
    readonly held: number;
    /** Pages that had to be read before the program could go on. */
    readonly faults: number;
  } | null;
}

/** Reads them all. */
export function readAll(directory: string, atMs: number): Counters {
  const number = (file: string): number => Number(readControl(directory, file) ?? 0);
  const limit = (file: string): number | null => {
    const text = readControl(directory, file) ?? "max";
    return text === "max" ? null : Number(text);
  };
  const usage = { memory: number("memory.current"), memoryLimit: limit("memory.max") };
  return {
    atMs,
    ...usage,
    reclaim: isNear(usage) ? readReclaim(directory) : null,
    pids: number("pids.current"),
    pidsLimit: limit("pids.max"),
    memoryEvents: readCounters(directory, "memory.events"),
    forksRefused: readCounters(directory, "pids.events").max ?? 0,
    cpu: readCounters(directory, "cpu.stat"),
    stalled: {
      memory: readStall(directory, "memory"),
      cpu: readStall(directory, "cpu"),
      io: readStall(directory, "io"),
    },
    waited: readStall(directory, "memory", "full"),
  };
}

function readReclaim(directory: string): Counters["reclaim"] {
  const stat = readCounters(directory, "memory.stat");
  const held = ["anon", "shmem", "kernel_stack", "pagetables", "slab_unreclaimable"]
    .reduce((sum, name) => sum + (stat[name] ?? 0), 0);
  return { held, faults: stat.pgmajfault ?? 0 };
}

/** The warnings that follow from two looks. Pure. */
export function warnings(before: Counters, now: Counters): readonly Pressure[] {
  const found: Pressure[] = [];
  const grown = (name: string): number => (now.memoryEvents[name] ?? 0) - (before.memoryEvents[name] ?? 0);
  const percent = (used: number, limit: number | null): number =>
    limit ? Math.min(100, Math.round((100 * used) / limit)) : 0;
  const memory = (detail: string): void => {
    const { memory: used, memoryLimit: limit } = now;
    found.push({ resource: "memory", used, limit, percent: percent(used, limit), detail });
  };

  if (grown("high") > 0) memory(`memory.high was exceeded ${times(grown("high"))}`);
  if (grown("oom_kill") > 0) memory(`the memory limit killed ${grown("oom_kill")} processes`);
  else if (grown("max") > 0) memory(`the memory limit was hit ${times(grown("max"))}`);
  else if (isNear(now) && !isNear(before)) {
    memory(`memory is at ${percent(now.memory, now.memoryLimit)}% of its limit`);
  }

  const refused = now.forksRefused - before.forksRefused;
  if (refused > 0) {
    const { pids: used, pidsLimit: limit } = now;
    const detail = `the limit of processes refused ${refused} forks`;
    found.push({ resource: "pids", used, limit, percent: percent(used, limit), detail });
  }

  const elapsedUs = (now.atMs - before.atMs) * 1000;
  const periods = (now.cpu.nr_periods ?? 0) - (before.cpu.nr_periods ?? 0);
  const throttled = (now.cpu.nr_throttled ?? 0) - (before.cpu.nr_throttled ?? 0);
  if (periods > 0 && throttled / periods >= THROTTLED) {
    const used = (now.cpu.throttled_usec ?? 0) - (before.cpu.throttled_usec ?? 0);
    const detail = `the CPU quota ran out in ${throttled} of ${periods} periods`;
    found.push({ resource: "cpu", used, limit: null, percent: percent(throttled, periods), detail });
  }
  for (const resource of ["memory", "cpu", "io"] as const) {
    const used = now.stalled[resource] - before.stalled[resource];
    // Who is throttled waits for a CPU too, and was told so.
    if (resource === "cpu" && found.some((told) => told.resource === "cpu")) continue;
    if (elapsedUs <= 0 || used / elapsedUs < (resource === "cpu" ? STALLED_CPU : STALLED)) continue;
    const share = percent(used, elapsedUs);
    found.push({
      resource,
      used,
      limit: null,
      percent: share,
      detail: `stalled on ${resource} ${share}% of the time`,
    });
  }
  return found;
}

function isNear({ memory, memoryLimit }: Pick<Counters, "memory" | "memoryLimit">): boolean {
  return memoryLimit !== null && memory >= NEAR_LIMIT * memoryLimit;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** Whether an agent was busy with nothing but its lack of memory between two looks. Pure. */
export function isStuck(before: Counters, now: Counters): boolean {
  const elapsedUs = (now.atMs - before.atMs) * 1000;
  if (before.reclaim === null || now.reclaim === null || elapsedUs <= 0) return false;
  if (now.reclaim.held < STUCK_HELD * now.memoryLimit!) return false;
  if (now.waited - before.waited >= STUCK_WAITING * elapsedUs) return true;
  const used = (name: string): number => (now.cpu[name] ?? 0) - (before.cpu[name] ?? 0);
  const faults = now.reclaim.faults - before.reclaim.faults;
  return faults >= (STUCK_FAULTS * elapsedUs) / 1e6 &&
    used("user_usec") <= STUCK_PROGRESS * used("usage_usec");
}

type Listener = (warning: Pressure) => void;

/** The same warning is told again after this long: what goes on needs no reminder every second. */
const QUIET_MS = 10_000;

/** Looks at one cgroup. */
export class PressureWatch implements Disposable {
  readonly #directory: string;
  readonly #listeners = new Set<Listener>();
  readonly #onStuck: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #before: Counters | undefined;
  #stuckMs = 0;
  /** When a kind of warning was told last. */
  readonly #told = new Map<string, number>();

  /**
   * @param directory The cgroup's.
   * @param onStuck Called once, when memory was so short for a while that nothing went on.
   */
  constructor(directory: string, onStuck: () => void) {
    this.#directory = directory;
    this.#onStuck = onStuck;
  }

  /** Looks from now on, though nobody listens. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#before = readAll(this.#directory, performance.now());
    this.#timer = setInterval(() => this.#tick(), LOOK_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Adds a listener; returns the undo. */
  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.start();
    return () => this.#listeners.delete(listener);
  }

  #tick(): void {
    // Whoever did not run at all did not come nearer to anything: time spent on reclaim and page faults counts as well.
    const { usage_usec } = readCounters(this.#directory, "cpu.stat");
    if (usage_usec !== undefined && usage_usec === this.#before?.cpu.usage_usec) return;
    this.look();
  }

  /** Looks once and tells. */
  look(): void {
    const before = this.#before;
    if (!before) return;
    const now = readAll(this.#directory, performance.now());
    const found = warnings(before, now);
    this.#before = now;
    this.#judge(before, now);
    for (const warning of found) {
      const kind = warning.detail.replaceAll(/\d+/g, "#");
      if (now.atMs - (this.#told.get(kind) ?? -Infinity) < QUIET_MS) continue;
      this.#told.set(kind, now.atMs);
      for (const listener of this.#listeners) listener(warning);
    }
  }

  #judge(before: Counters, now: Counters): void {
    const elapsed = now.atMs - before.atMs;
    this.#stuckMs = Math.max(0, this.#stuckMs + (isStuck(before, now) ? elapsed : -elapsed));
    if (this.#stuckMs < STUCK_MS) return;
    this.#stuckMs = 0;
    const { memory: used, memoryLimit: limit } = now;
    const detail = "memory is so short that nothing goes on, the agent is ended";
    for (const listener of this.#listeners) {
      listener({ resource: "memory", used, limit, percent: 100, detail });
    }
    this.#onStuck();
  }

  /** Stops looking. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
  }
}
