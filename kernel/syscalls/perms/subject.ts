/**
 * Whose rights a request is about, and what rows about rights share.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import type { Principal } from "../../principals.ts";
import { required } from "../../schema.ts";
import type { Context } from "../../syscall.ts";

/** `agent_id` or `name`; the number wins. */
export const subjectFields = {
  agent_id: agentId("The agent's number; wins over its name.").optional(),
  name: z.string().max(256).optional().describe("The agent's name, or one it registered."),
} as const;

/** What {@link subjectFields} let through. */
export interface SubjectTarget {
  readonly agent_id?: number;
  readonly name?: string;
}

/** Rules as a client sends them. */
export const rulesField = z.union([z.string(), z.array(z.string()).max(64)], {
  error: required("rules required"),
}).describe("One rule or several in policy syntax, such as `fs.read:/srv/data/**`.");

/** Milliseconds that a right lasts: a year at most, beyond that it is for good. */
export const durationField = z.int().min(1).max(31_536_000_000);

/** What is told of a grant. */
export const grantShape = z.object({
  grant_id: z.int().describe("Its number among the grants of the agent that holds it."),
  rules: z.array(z.string()).describe("What it allows, in policy syntax."),
  from: z.int().describe("Who gave it; 0 is an operator."),
  from_name: z.string().describe("The giver's name; `operator` for an operator."),
  until: z.number().optional().describe("When it ends, in epoch milliseconds; absent: with the agent."),
  uses_left: z.int().optional().describe(
    "How many more acts it is good for; absent where they are not counted.",
  ),
  kept: z.boolean().describe("Whether agents of this name get it again whenever they are spawned."),
});

/**
 * Finds whom a request is about.
 *
 * @returns Null when nobody was named.
 * @throws {SyscallError} `not_found`.
 */
export function findSubject(ctx: Context, { agent_id, name }: SubjectTarget): Principal | null {
  if (!agent_id && !name) return null;
  const { principals } = ctx.services;
  const found = agent_id ? principals.get(agent_id) : principals.named(name!);
  if (found) return found;
  throw new SyscallError(
    "not_found",
    `Agent not found: ${agent_id ? `no agent has the number ${agent_id}` : `"${name}"`}`,
  );
}

/** As {@link findSubject}, where somebody has to be named. */
export function demandSubject(ctx: Context, target: SubjectTarget): Principal {
  const found = findSubject(ctx, target);
  if (found) return found;
  throw new SyscallError("bad_request", "invalid request: Cannot tell which agent: give agent_id or name");
}

/** Whether a caller may look at somebody's rights: its own, those below it, and everybody's for an operator. */
export function mayLook(caller: Principal, subject: Principal): boolean {
  return caller.kind === "operator" || caller.isAbove(subject);
}

/**
 * Refuses, with a line in the audit log.
 *
 * @param need What would be needed, in policy syntax.
 * @param ask The command with which an operator does it.
 * @throws {SyscallError} `denied`, always.
 */
export function refuse(
  ctx: Context,
  refusal: { readonly syscall: string; readonly reason: string; readonly need: string; readonly ask: string },
): never {
  const { caller, services } = ctx;
  const { syscall, reason, need, ask } = refusal;
  caller.counts.denials++;
  services.audit.write({
    category: "SECURITY",
    event_type: "SYSCALL_BLOCKED",
    agent_id: caller.id,
    agent_name: caller.name,
    success: false,
    details: { syscall, need, rule: reason },
  });
  services.events.emit(
    "SYSCALL_BLOCKED",
    { agent_id: caller.id, syscall, reason, target: need },
    caller.id,
    (principal) => principal.kind === "operator" || principal.isAbove(caller),
  );
  throw new SyscallError("denied", `Permission denied: ${reason}`, {
    receipt: { need, rule: reason, missing: need, ask },
  });
}
