import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId, nameField } from "../../fields.ts";
import { LIMITS } from "../../limits.ts";
import { plainNeed } from "../../../permissions/mod.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";

/** Takes a name. */
export const ipcRegister = defineSyscall({
  name: "ipc.register",
  wire: "REGISTER",
  opcode: 0x23,
  since: "0.1.0",
  summary: "Takes a name under which others can send to the caller; it is free again when the caller goes.",
  params: z.object({ name: nameField("The name, unique in this kernel.", required("name required")) }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    agent_id: agentId("The caller's number."),
    name: z.string().describe("The name."),
  }),
  needs: ({ name }) => [plainNeed("ipc", name)],
  record: ({ name }) => ({ name }),
  tool: false,
  handle(ctx, { name }) {
    const { caller, services } = ctx;
    if (!caller.names.has(name) && caller.names.size >= LIMITS.namesPerAgent) {
      throw new SyscallError(
        "limit",
        `Cannot register "${name}": ${caller.label} has ${caller.names.size} names already`,
      );
    }
    if (!services.principals.claim(caller, name)) {
      throw new SyscallError("conflict", `name already registered: "${name}" belongs to another agent`);
    }
    // An agent keeps the name it was spawned with; the last registered one names a plain connection.
    if (caller.kind !== "agent") caller.name = name;
    return { success: true as const, agent_id: caller.id, name };
  },
});
