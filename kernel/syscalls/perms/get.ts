import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { permissionAnswer, permissionsOf } from "./shape.ts";

/** Tells what an agent may do. */
export const permsGet = defineSyscall({
  name: "perms.get",
  wire: "GET_PERMS",
  opcode: 0x40,
  since: "0.1.0",
  summary: "Tells what the caller may do; operators and those above an agent may ask for another.",
  params: z.object({ agent_id: agentId("Whose; absent means the caller's.").optional().catch(undefined) })
    .catch({}),
  result: permissionAnswer,
  record: ({ agent_id }) => ({ agent_id }),
  tool: false,
  handle(ctx, { agent_id }) {
    const { caller, services } = ctx;
    const subject = agent_id ? services.principals.get(agent_id) : caller;
    if (!subject) {
      throw new SyscallError("not_found", `Cannot show permissions: no agent has the number ${agent_id}`);
    }
    if (caller.kind !== "operator" && !caller.isAbove(subject)) {
      throw new SyscallError(
        "denied",
        `Permission denied: ${caller.label} may see only its own permissions and those below it`,
      );
    }
    return permissionsOf(subject, services.grants);
  },
});
