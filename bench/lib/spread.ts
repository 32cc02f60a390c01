/** Distributions of times, taken in turns so that a machine that drifts drifts for everybody. */

/** Quantiles, in the unit of what was measured. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The value below which a part of all lies. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** The three that are reported. */
export function spreadOf(values: readonly number[]): Spread {
  return { p50: quantile(values, 0.5), p95: quantile(values, 0.95), p99: quantile(values, 0.99) };
}

/** Runs every act once a round, in turns; milliseconds by act, round by round. The first rounds fill caches. */
export async function inTurns<K extends string>(
  acts: Readonly<Record<K, () => Promise<unknown>>>,
  rounds: number,
  warmUp = 5,
): Promise<Readonly<Record<K, readonly number[]>>> {
  const names = Object.keys(acts) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of names) {
      const startedAt = performance.now();
      await acts[name]();
      if (round >= 0) times[name].push(performance.now() - startedAt);
    }
  }
  return times;
}

/** The median of one act's share of another, round by round: noise that covers a whole round cancels out. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return quantile(a.map((value, round) => value / b[round]!), 0.5);
}

/** The median of what one act takes more than another, round by round. */
export function medianExcess(a: readonly number[], b: readonly number[]): number {
  return quantile(a.map((value, round) => value - b[round]!), 0.5);
}

/** Acts a second, with so many under way at once. */
export async function rate(act: () => Promise<unknown>, total: number, inFlight: number): Promise<number> {
  const startedAt = performance.now();
  await crowd(act, total, inFlight);
  return total / (performance.now() - startedAt) * 1000;
}

/** Runs an act for every number below `total`, with so many under way at once. */
export async function crowd(
  act: (number: number) => Promise<unknown>,
  total: number,
  inFlight: number,
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < total) await act(next++);
  };
  await Promise.all(Array.from({ length: Math.min(total, inFlight) }, one));
}
