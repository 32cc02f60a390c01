import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { success } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";

/** More lines than this would make every search by an operator hold others up. */
const MOST_ENTRIES = 1_000_000;
const YEARS_100 = 36_525;
const MIB = 1024 * 1024;

const fields = {
  max_entries: z.int().min(1, "a log of no lines is no log, keep at least 1").max(MOST_ENTRIES)
    .describe("Lines kept; the oldest are dropped."),
  max_age_days: z.number().min(0).max(YEARS_100).describe("Days a line is kept; 0 is for ever."),
  max_bytes: z.int().min(MIB).describe("Bytes of all lines; the oldest are dropped."),
  log_syscalls: z.boolean().describe("One line for each call."),
  log_security: z.boolean().describe(
    "What concerns security. Refusals, changes of rights and of the log are kept even when this is false.",
  ),
  log_lifecycle: z.boolean().describe("Starts, ends, pauses and restarts of agents."),
  log_ipc: z.boolean().describe("Messages and names, without contents."),
  log_state: z.boolean().describe("Use of the state store, without values."),
  log_resource: z.boolean().describe("Limits that were neared or hit."),
  log_network: z.boolean().describe("Requests over the network."),
  log_world: z.boolean().describe("Worlds."),
};

/** Changes what the audit log keeps. */
export const auditConfig = defineSyscall({
  name: "audit.config",
  wire: "SET_AUDIT_CONFIG",
  opcode: 0x77,
  since: "0.1.0",
  summary: "Changes what the audit log keeps and for how long; every change is a line itself.",
  params: z.object(fields).partial(),
  result: z.object({ success, config: z.object(fields).describe("What holds now.") }),
  needs: () => [plainNeed("admin", "audit.config")],
  record: (params) => ({ ...params }),
  tool: false,
  badJson: "Invalid JSON payload",
  async handle(ctx, params) {
    const { audit } = ctx.services;
    if (Object.keys(params).length === 0) return { config: audit.config };
    return { config: await audit.configure(params, ctx.caller) };
  },
});
