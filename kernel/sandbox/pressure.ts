/**
 * Tells when an agent comes near its limits: compares what its cgroup counts now with what it counted before.
 *
 * The files are read once a second, for agents somebody listens to: a watch on each of them would cost a thread of
 * Deno's and an inotify instance, of which a user has 128.
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
/** Part of the CPU periods in which the quota ran out. */
const THROTTLED = 0.5;

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
}

/** Reads them all. */
export function readAll(directory: string, atMs: number): Counters {
  const number = (file: string): number => Number(readControl(directory, file) ?? 0);
  const limit = (file: string): number | null => {
    const text = readControl(directory, file) ?? "max";
    return text === "max" ? null : Number(text);
  };
  return {
    atMs,
    memory: number("memory.current"),
    memoryLimit: limit("memory.max"),
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
  };
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
  for (const resource of ["memory", "io"] as const) {
    const used = now.stalled[resource] - before.stalled[resource];
    if (elapsedUs <= 0 || used / elapsedUs < STALLED) continue;
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

function isNear({ memory, memoryLimit }: Counters): boolean {
  return memoryLimit !== null && memory >= NEAR_LIMIT * memoryLimit;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

type Listener = (warning: Pressure) => void;

/** The same warning is told again after this long: what goes on needs no reminder every second. */
const QUIET_MS = 10_000;

/** Looks at one cgroup as long as somebody listens. */
export class PressureWatch implements Disposable {
  readonly #directory: string;
  readonly #listeners = new Set<Listener>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #before: Counters | undefined;
  /** When a kind of warning was told last. */
  readonly #told = new Map<string, number>();

  /** @param directory The cgroup's. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Adds a listener; returns the undo. */
  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#before = readAll(this.#directory, performance.now());
      this.#timer = setInterval(() => this.look(), LOOK_MS);
      Deno.unrefTimer(Number(this.#timer));
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this[Symbol.dispose]();
    };
  }

  /** Looks once and tells. */
  look(): void {
    if (!this.#before) return;
    const now = readAll(this.#directory, performance.now());
    const found = warnings(this.#before, now);
    this.#before = now;
    for (const warning of found) {
      const kind = warning.detail.replaceAll(/\d+/g, "#");
      if (now.atMs - (this.#told.get(kind) ?? -Infinity) < QUIET_MS) continue;
      this.#told.set(kind, now.atMs);
      for (const listener of this.#listeners) listener(warning);
    }
  }

  /** Stops looking. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
  }
}
