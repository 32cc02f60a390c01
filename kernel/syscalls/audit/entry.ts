import { z } from "zod";
import { AUDIT_CATEGORIES } from "../../audit/entry.ts";
import { hex } from "../../audit/seal.ts";
import type { ChainedLine } from "../../audit/tables.ts";
import { agentId } from "../../fields.ts";

/** A line as it goes over the wire: the original's keys and the ones its SDKs look for. */
export const entryShape = z.object({
  id: z.int().describe("From 1, without gaps."),
  timestamp: z.string().describe("UTC, such as `2026-02-11T10:15:30.123Z`."),
  timestamp_ms: z.int().describe("The same in epoch milliseconds."),
  category: z.enum(AUDIT_CATEGORIES).describe("What it is about."),
  event_type: z.string().describe("What happened."),
  action: z.string().describe("The same as `event_type`."),
  agent_id: agentId("Whom it is about; 0 is the kernel."),
  agent_name: z.string().optional().describe("Its name then; absent when it had none."),
  success: z.boolean().describe("False when it was refused or failed."),
  details: z.record(z.string(), z.unknown()).describe("What else is known."),
  hash: z.string().describe("The chain's hash of this line, hexadecimal."),
});

/** One line for an answer. */
export function entryOf(line: ChainedLine): z.output<typeof entryShape> {
  const { id, at, category, event_type, agent_id, agent_name, success, details, hash } = line;
  return {
    id,
    timestamp: new Date(at).toISOString(),
    timestamp_ms: at,
    category,
    event_type,
    action: event_type,
    agent_id,
    ...(agent_name ? { agent_name } : {}),
    success,
    details: JSON.parse(details),
    hash: hex(hash),
  };
}
