/**
 * Grants, as people read them.
 *
 * @module
 */
import { showSeconds } from "./units.ts";

/** For whom, how long and how often. */
export interface Terms {
  readonly from_name?: string;
  readonly from?: number;
  /** Epoch milliseconds. */
  readonly until?: number;
  readonly uses_left?: number;
  readonly kept?: boolean;
}

/** Says where a grant comes from and when it ends: `by the operator, for 9m58s, 1 use left`. */
export function termsText(
  { from_name, from, until, uses_left, kept }: Terms,
  now: number = Date.now(),
): string {
  return [
    ...(from === undefined
      ? []
      : [from === 0 ? "by the operator" : `by ${from_name || "an agent"} (${from})`]),
    kept ? "for good" : until === undefined ? "for its life" : `for ${showSeconds((until - now) / 1000)}`,
    ...(uses_left === undefined ? [] : [`${uses_left} ${uses_left === 1 ? "use" : "uses"} left`]),
  ].join(", ");
}
