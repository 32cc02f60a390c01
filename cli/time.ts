/**
 * Points in time, as people write them and read them.
 *
 * @module
 */
import { UsageError } from "./exit.ts";
import { parseSeconds } from "./units.ts";

/**
 * Reads `10m` (so long ago), `2026-02-11T10:15:30Z`, `2026-02-11 10:15` (here), `2026-02-11`.
 *
 * @param now Epoch milliseconds.
 * @returns Epoch milliseconds.
 * @throws {UsageError} When it is no time.
 */
export function parseTime(option: string, text: string, now: number = Date.now()): number {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return now - parseSeconds(option, text) * 1_000;
  // A day alone would be read as a day of Greenwich, a day with a time as one of here: here is meant.
  const local = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
  const time = /^\d{4}-/.test(text) ? Date.parse(local) : NaN;
  if (Number.isFinite(time)) return time;
  throw new UsageError(
    `Cannot use ${option} "${text}": it is no time, write one such as 10m (ago) or 2026-02-11T10:15:30Z`,
  );
}
