import { z } from "zod";
import { covers, fromPermissionObject, LEVELS, Policy } from "../../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import type { Principal } from "../../principals.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { permissionAnswer, permissionsOf } from "./shape.ts";

/** Changes what an agent may do. */
export const permsSet = defineSyscall({
  name: "perms.set",
  wire: "SET_PERMS",
  opcode: 0x41,
  since: "0.1.0",
  summary:
    "Changes permissions: an agent can only lower its own, and set those of agents below it; an operator can set anyone's.",
  params: z.object({
    agent_id: agentId("Whose; absent or 0 means the caller's.").optional(),
    permissions: z.record(z.string(), z.unknown()).optional()
      .describe("The original's permission object; it replaces everything, and wins over a level."),
    level: z.enum(LEVELS).optional().describe("A named level."),
    policy: z.union([z.string(), z.array(z.string())]).optional().describe("Rules in policy syntax."),
  }),
  result: permissionAnswer,
  record: ({ agent_id, level, policy, permissions }) => ({ agent_id, level, policy, permissions }),
  tool: false,
  handle(ctx, { agent_id, permissions, level, policy }) {
    const subject = agent_id ? ctx.services.principals.get(agent_id) : ctx.caller;
    if (!subject) {
      throw new SyscallError("not_found", `Cannot set permissions: no agent has the number ${agent_id}`);
    }
    const wanted = readPolicy(ctx, { permissions, level, policy });
    if (wanted) change(ctx, subject, wanted);
    return permissionsOf(subject);
  },
});

function readPolicy(
  ctx: Context,
  { permissions, level, policy }: {
    permissions?: object;
    level?: Policy["level"];
    policy?: string | string[];
  },
): Policy | null {
  try {
    if (permissions) return fromPermissionObject(permissions, { keepBlocks: ctx.caller.kind !== "operator" });
    if (policy !== undefined) return Policy.parse(policy);
  } catch (cause) {
    throw new SyscallError("bad_request", `invalid request: ${(cause as Error).message}`, { cause });
  }
  return level ? Policy.level(level) : null;
}

function change(ctx: Context, subject: Principal, wanted: Policy): void {
  const { caller, services } = ctx;
  if (caller.kind === "operator") subject.authority.replace(wanted);
  else if (subject === caller) {
    if (!covers(caller.authority.effective(), wanted)) {
      refuse(ctx, subject, "an agent can only lower its own rights, and it does not hold all of these");
    }
    caller.authority.lower(wanted);
  } else if (caller.isAbove(subject)) {
    // What it does not hold itself it cannot give: the subject's authority stays below the caller's in any case.
    subject.authority.replace(wanted);
  } else refuse(ctx, subject, "cannot modify other agent's permissions");
  services.audit.write({
    category: "SECURITY",
    event_type: "PERMISSIONS_CHANGED",
    agent_id: subject.id,
    agent_name: subject.name,
    success: true,
    details: { changed_by: caller.id, policy: wanted.toJson() },
  });
}

function refuse(ctx: Context, subject: Principal, reason: string): never {
  const { caller, services } = ctx;
  caller.counts.denials++;
  const details = { syscall: "perms.set", need: `admin:${subject.id}`, rule: reason };
  services.audit.write({
    category: "SECURITY",
    event_type: "SYSCALL_BLOCKED",
    agent_id: caller.id,
    agent_name: caller.name,
    success: false,
    details,
  });
  services.events.emit("SYSCALL_BLOCKED", {
    agent_id: caller.id,
    syscall: "perms.set",
    reason,
    target: details.need,
  }, caller.id);
  throw new SyscallError("denied", `Permission denied: ${reason}`, {
    receipt: {
      need: details.need,
      rule: reason,
      missing: details.need,
      ask: `clove perms set ${caller.name || caller.id} LEVEL`,
    },
  });
}
