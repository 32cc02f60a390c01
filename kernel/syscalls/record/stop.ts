import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { recordingFields, recordingState } from "./state.ts";

/** Ends the recording. */
export const recordStop = defineSyscall({
  name: "record.stop",
  wire: "RECORD_STOP",
  opcode: 0x71,
  since: "0.1.0",
  summary: "Ends the recording that record.start began; its entries stay until the next one begins.",
  params: z.object({}),
  result: z.object({
    success: z.boolean().describe("False when nothing was recording."),
    recording: z.literal(false).describe("Always false."),
    entries_recorded: z.int().describe("Entries that are kept."),
    ...recordingFields,
  }),
  needs: () => [plainNeed("admin", "record")],
  record: () => ({}),
  tool: false,
  handle(ctx) {
    const { executions, audit } = ctx.services;
    const success = executions.stop();
    if (success) {
      audit.write({
        category: "SYSCALL",
        event_type: "RECORDING_STOPPED",
        agent_id: ctx.caller.id,
        agent_name: ctx.caller.name,
        details: { stopped_by: ctx.caller.id, entries_recorded: executions.length },
      });
    }
    return {
      success,
      recording: false as const,
      entries_recorded: executions.length,
      ...recordingState(executions),
    };
  },
});
