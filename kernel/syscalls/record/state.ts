/**
 * How a recording in memory looks on the wire.
 *
 * @module
 */
import { z } from "zod";
import type { ExecutionLog } from "../../recording/execution_log.ts";

/** What every answer about it tells, under the names that clients look for. */
export const recordingFields = {
  active: z.boolean().describe("True while it records."),
  entry_count: z.int().describe("Entries that are kept."),
  started_at: z.number().nullable().describe("Epoch seconds of its beginning; null when there was none."),
};

/** Those fields now. */
export function recordingState(
  log: ExecutionLog,
): { active: boolean; entry_count: number; started_at: number | null } {
  return {
    active: log.recording,
    entry_count: log.length,
    started_at: log.startedAt === null ? null : log.startedAt / 1_000,
  };
}
