import { z } from "zod";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** Freezes every process of an agent. */
export const agentPause = defineSyscall({
  name: "agent.pause",
  wire: "PAUSE",
  opcode: 0x14,
  since: "0.1.0",
  summary: "Freezes every process of an agent.",
  params: z.object(targetFields),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    paused: z.literal(true).describe("It is so now."),
    agent_id: agentId("The agent's number."),
  }),
  record: recordTarget,
  tool: true,
  failure: { paused: false, agent_id: 0 },
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, true);
    await agent.pause(ctx.caller.id);
    return { success: true as const, paused: true as const, agent_id: agent.id };
  },
});
