/**
 * Runs a share of the seeds in a thread of its own, up to the first that shows something wrong.
 *
 * @module
 */
/// <reference lib="webworker" />
import { lowerLimits } from "./limits.ts";
import { simulate, type Verdict } from "./simulate.ts";

/** What is asked of a worker. */
export interface Share {
  readonly first: number;
  readonly last: number;
  /** Every so many seeds one is this worker's. */
  readonly step: number;
}

lowerLimits();

self.addEventListener("message", async ({ data }: MessageEvent<Share>) => {
  let wrong: Verdict | null = null;
  for (let seed = data.first; seed <= data.last && wrong === null; seed += data.step) {
    const verdict = await simulate(seed);
    if (verdict.violation !== null) wrong = verdict;
  }
  self.postMessage(wrong);
});
