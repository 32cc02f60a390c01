/**
 * How questions and answers look on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ANSWERS, type Approval, STATUSES } from "../../approvals/approval.ts";

/** A question. */
export const approvalShape = z.object({
  request_id: z.int().describe("The question's number."),
  agent_id: z.int().describe("Who asks."),
  agent_name: z.string().describe("Its name when it asked."),
  rules: z.array(z.string()).describe(
    "What it asks for, in the canonical form in which it would be granted.",
  ),
  reason: z.string().describe("The agent's own words: to be shown escaped."),
  status: z.enum(STATUSES).describe("`withdrawn`: the agent ended first."),
  asked_at: z.number().describe("Epoch milliseconds."),
  expires_at: z.number().describe("Epoch milliseconds."),
  answer: z.enum(ANSWERS).optional().describe("How it was answered."),
  answered_at: z.number().optional().describe("Epoch milliseconds."),
  message: z.string().optional().describe("What the operator says to it."),
  grant_id: z.int().optional().describe("The grant that came of it."),
  granted: z.array(z.string()).optional().describe("What was granted, which may be less."),
  until: z.number().optional().describe(
    "When the grant ends, in epoch milliseconds; absent: with the agent.",
  ),
  uses: z.int().optional().describe(
    "How many acts it was good for at first; absent where they are not counted.",
  ),
});

/** A question as it is told. */
export function approvalOf(approval: Approval): z.input<typeof approvalShape> {
  const { id, principal, name, rules, reason, status, askedAt, expiresAt, answer } = approval;
  const grant = answer?.grant;
  return {
    request_id: id,
    agent_id: principal.id,
    agent_name: name,
    rules: [...rules.lines],
    reason,
    status,
    asked_at: Math.floor(askedAt),
    expires_at: Math.floor(expiresAt),
    ...(answer ? { answer: answer.kind, answered_at: Math.floor(answer.at) } : {}),
    ...(answer?.message ? { message: answer.message } : {}),
    ...(grant ? { grant_id: grant.grant_id, granted: [...grant.rules] } : {}),
    ...(grant?.until === undefined ? {} : { until: Math.floor(grant.until) }),
    ...(grant?.uses_left === undefined ? {} : { uses: grant.uses_left }),
  };
}
