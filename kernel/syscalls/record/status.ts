import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { recordingFields, recordingState } from "./state.ts";

const entry = z.object({
  sequence_id: z.int().describe("Counts from 1."),
  timestamp: z.string().describe("ISO 8601, UTC."),
  agent_id: z.int().describe("Who called."),
  opcode: z.int().describe("Which call."),
  opcode_name: z.string().describe("Such as `STORE`."),
  payload: z.string().describe("The request as text."),
  response: z.string().describe("The answer as text."),
  duration_us: z.int().describe("Microseconds."),
  success: z.boolean().describe("False when it failed."),
});

/** Tells about the recording, and exports it. */
export const recordStatus = defineSyscall({
  name: "record.status",
  wire: "RECORD_STATUS",
  opcode: 0x72,
  since: "0.1.0",
  summary: "Tells how far the recording is, and gives its entries for replay.start.",
  params: z.object({
    export: z.boolean().optional().describe("Give everything as one text, in `recording_data`."),
    get_entries: z.unknown().optional().describe("Present, with any value: give `entries`."),
    limit: z.int().min(0).max(10_000).optional().describe("Most entries to give. Default 100."),
    since_id: z.int().min(0).optional().describe("Only entries with a higher number. Default 0."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    recording: z.boolean().describe("True while it records."),
    paused: z.literal(false).describe("Always false."),
    last_sequence_id: z.int().describe("The number of the newest entry; 0 when there is none."),
    ...recordingFields,
    recording_data: z.string().optional().describe("A JSON array of all entries, as text; with `export`."),
    entries: z.array(entry).optional().describe("With `get_entries`."),
  }),
  needs: () => [plainNeed("admin", "record")],
  record: ({ export: exported, since_id, limit }) => ({ export: exported, since_id, limit }),
  tool: false,
  handle(ctx, params) {
    const { executions } = ctx.services;
    return {
      success: true as const,
      recording: executions.recording,
      paused: false as const,
      last_sequence_id: executions.lastSequence,
      ...recordingState(executions),
      ...(params.export ? { recording_data: JSON.stringify(executions.entries()) } : {}),
      ...("get_entries" in params
        ? { entries: executions.entries(params.since_id ?? 0, params.limit ?? 100) }
        : {}),
    };
  },
});
