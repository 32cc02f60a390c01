/** One line a figure: what, how much, the ratio, and what is promised. */
import type { Measured } from "./load.ts";
import type { Spread } from "./spread.ts";

/** What was measured: a load, a pair of loads, or a number. */
export interface Figure {
  readonly a?: Measured;
  readonly b?: Measured;
  readonly ratio?: number;
  readonly value?: number;
  /** Milliseconds, by who took them. */
  readonly times?: Readonly<Record<string, Spread>>;
}

/** Figures of this run, for a machine to read with `--json`. */
export const figures: { name: string; figure: Figure; limit: string }[] = [];

/** Prints one line and keeps it. */
export function report(name: string, figure: Figure, options: { limit: string; unit: string }): void {
  figures.push({ name, figure, limit: options.limit });
  const parts: string[] = [];
  if (figure.a) parts.push(spread(figure.a));
  if (figure.b) parts.push(`raw echo: ${spread(figure.b)}`);
  for (const [who, { p50, p95, p99 }] of Object.entries(figure.times ?? {})) {
    parts.push(`${who} p50 ${p50.toFixed(2)} p95 ${p95.toFixed(2)} p99 ${p99.toFixed(2)} ms`);
  }
  if (figure.value !== undefined) parts.push(`${figure.value.toFixed(2)} ${options.unit}`);
  if (figure.ratio !== undefined) parts.push(`ratio ${figure.ratio.toFixed(2)}`);
  console.log(`${name.padEnd(52)} ${parts.join(" | ")}   (promised ${options.limit})`);
}

function spread({ p50, p95, p99, rate }: Measured): string {
  return `p50 ${p50.toFixed(1)} p95 ${p95.toFixed(1)} p99 ${p99.toFixed(1)} us, ${
    Math.round(rate).toLocaleString("en")
  }/s`;
}
