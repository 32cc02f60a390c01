import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { recordingFields, recordingState } from "./state.ts";

/** Most entries that one recording may keep: they are in memory. */
const MOST_ENTRIES = 1_000_000;

/** Begins to record. */
export const recordStart = defineSyscall({
  name: "record.start",
  wire: "RECORD_START",
  opcode: 0x70,
  since: "0.1.0",
  summary:
    "Begins to record the calls of all agents, or of some, in memory. For a run that can be repeated see `record` of agent.spawn.",
  params: z.object({
    include_think: z.boolean().optional().describe("Record THINK too. Default false."),
    include_http: z.boolean().optional().describe("Record HTTP too. Default false."),
    include_exec: z.boolean().optional().describe("Record EXEC too. Default false."),
    max_entries: z.int().min(1).max(MOST_ENTRIES).optional()
      .describe("Entries kept; the oldest are dropped. Default 50000."),
    filter_agents: z.array(z.int().min(0)).max(4_096).optional()
      .describe("Only the calls of these agents. Default all."),
  }),
  result: z.object({
    success: z.boolean().describe(
      "False when it was recording already; the values are taken over all the same.",
    ),
    recording: z.boolean().describe("The same as `success`."),
    ...recordingFields,
  }),
  needs: () => [plainNeed("admin", "record")],
  record: (params) => ({ ...params }),
  tool: false,
  handle(ctx, params) {
    const { executions, audit } = ctx.services;
    const given = Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
    const success = executions.start(given);
    if (success) {
      audit.write({
        category: "SYSCALL",
        event_type: "RECORDING_STARTED",
        agent_id: ctx.caller.id,
        agent_name: ctx.caller.name,
        details: { started_by: ctx.caller.id },
      });
    }
    return { ...recordingState(executions), success, recording: success };
  },
});
