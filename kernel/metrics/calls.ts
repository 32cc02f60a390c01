/**
 * How many calls there were, how they ended and how long they took.
 *
 * @module
 */
import type { Observer } from "../dispatch.ts";

/** Upper bounds in seconds, from a call that only looks something up to one that waits for a program. */
export const BUCKETS: readonly number[] = [
  0.000_01,
  0.000_025,
  0.000_05,
  0.000_1,
  0.000_25,
  0.000_5,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
];

/** Counts observations by size. */
export class Histogram {
  /** How many were at most as large as the bound at the same place, and larger than the one before; then the rest. */
  readonly counts: number[] = new Array(BUCKETS.length + 1).fill(0);
  sum = 0;
  count = 0;

  /** @param value Seconds. */
  observe(value: number): void {
    let at = 0;
    while (at < BUCKETS.length && value > BUCKETS[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
    this.count++;
  }
}

/** Calls of one syscall. */
export interface CallStats {
  readonly latency: Histogram;
  /** By `ok` or error code. */
  readonly outcomes: Map<string, number>;
}

/** Told of every finished call, it counts. Names come from the table, so they are bounded. */
export class CallMetrics implements Observer {
  /** By syscall name. */
  readonly stats: Map<string, CallStats> = new Map();

  /** Counts one call. */
  finished({ row, answer, durationMs }: Parameters<Observer["finished"]>[0]): void {
    let stats = this.stats.get(row.name);
    if (!stats) this.stats.set(row.name, stats = { latency: new Histogram(), outcomes: new Map() });
    stats.latency.observe(durationMs / 1_000);
    stats.outcomes.set(answer.outcome, (stats.outcomes.get(answer.outcome) ?? 0) + 1);
  }

  /** Calls that ended in this way, over all syscalls. */
  total(outcome: string): number {
    let total = 0;
    for (const { outcomes } of this.stats.values()) total += outcomes.get(outcome) ?? 0;
    return total;
  }
}
