import { z } from "zod";
import { coversTogether, fromPermissionObject, LEVELS, Policy } from "../../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import { HOME } from "../../home.ts";
import type { Principal } from "../../principals.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { permissionAnswer, permissionsOf } from "./shape.ts";
import { refuse } from "./subject.ts";

/** Changes what an agent may do. */
export const permsSet = defineSyscall({
  name: "perms.set",
  wire: "SET_PERMS",
  opcode: 0x41,
  since: "0.1.0",
  summary:
    "Changes permissions: an agent can only lower its own, and set those of agents below it; an operator can set anyone's. Grants are narrowed to it.",
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
    const { principals, grants } = ctx.services;
    const subject = agent_id ? principals.get(agent_id) : ctx.caller;
    if (!subject) {
      throw new SyscallError("not_found", `Cannot set permissions: no agent has the number ${agent_id}`);
    }
    const wanted = readPolicy(ctx, { permissions, level, policy });
    if (wanted) change(ctx, subject, wanted);
    return permissionsOf(subject, grants);
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
    if (permissions) {
      return fromPermissionObject(permissions, { home: HOME, keepBlocks: ctx.caller.kind !== "operator" });
    }
    if (policy !== undefined) return Policy.parse(policy, { home: HOME });
  } catch (cause) {
    throw new SyscallError("bad_request", `invalid request: ${(cause as Error).message}`, { cause });
  }
  return level ? Policy.level(level, HOME) : null;
}

function change(ctx: Context, subject: Principal, wanted: Policy): void {
  const { caller, services } = ctx;
  if (subject === caller && caller.kind !== "operator") {
    demandHeld(ctx, wanted);
    lower(caller, wanted);
  } else if (caller.kind === "operator" || caller.isAbove(subject)) {
    // What it does not hold itself it cannot give: the subject's authority stays below its parent's in any case.
    subject.authority.replace(wanted);
    // Set means: this and no more. A grant that goes further would undo it at once.
    if (subject !== caller) lower(subject, wanted);
  } else deny(ctx, subject, "cannot modify other agent's permissions");
  services.audit.write({
    category: "SECURITY",
    event_type: "PERMISSIONS_CHANGED",
    agent_id: subject.id,
    agent_name: subject.name,
    success: true,
    details: { changed_by: caller.id, policy: wanted.toJson() },
  });
}

/** Lowering is always possible; an agent that asks for more than it holds is told so instead of getting less. */
function demandHeld(ctx: Context, wanted: Policy): void {
  const { caller, services } = ctx;
  const { authority } = caller;
  authority.prune(services.clock.now());
  const sources = [authority.effective(), ...authority.grants().map((grant) => grant.rules)];
  if (coversTogether(sources, wanted)) return;
  deny(ctx, caller, "an agent can only lower its own rights, and it does not hold all of these");
}

function lower(subject: Principal, wanted: Policy): void {
  try {
    subject.authority.lower(wanted);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SyscallError("limit", `Cannot lower the permissions of ${subject.label}: ${cause.message}`, {
      cause,
    });
  }
}

function deny(ctx: Context, subject: Principal, reason: string): never {
  const who = ctx.caller.name || String(ctx.caller.id);
  refuse(ctx, {
    syscall: "perms.set",
    reason,
    need: `admin:perms/${subject.id}`,
    ask: `clove perms set ${who} LEVEL`,
  });
}
