import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { exitOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** Stops an agent for good. */
export const agentKill = defineSyscall({
  name: "agent.kill",
  wire: "KILL",
  opcode: 0x11,
  since: "0.1.0",
  summary:
    "Stops an agent for good: SIGTERM, a grace period, then everything it is made of. Answers when it has ended.",
  params: z.object({
    ...targetFields,
    grace_ms: z.int().min(0).max(300_000).optional()
      .describe("How long it may take after SIGTERM; 0 ends it at once. Default what its spawn said."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    killed: z.literal(true).describe("It has ended."),
    agent_id: agentId("The agent's number."),
    exit_code: z.int().describe("0-255; 128 and the signal's number when a signal ended it."),
    signal: z.string().nullable().describe("Such as SIGTERM; null when it exited by itself."),
  }),
  record: recordTarget,
  tool: true,
  failure: { killed: false, agent_id: 0 },
  deadlineMs: 0,
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, true);
    // Its end is still remembered, but nothing can be killed any more; the original does not know it then, either.
    if (agent.ended) {
      throw new SyscallError("not_found", `Agent not found: ${agent.principal.label} has ended already`, {
        details: { agent_id: agent.id },
      });
    }
    const exit = await agent.stop({ by: ctx.caller.id, graceMs: params.grace_ms });
    const { exit_code, signal } = exitOf(exit);
    return { success: true as const, killed: true as const, agent_id: agent.id, exit_code, signal };
  },
});
