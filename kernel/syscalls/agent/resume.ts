import { z } from "zod";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** Lets a paused agent go on. */
export const agentResume = defineSyscall({
  name: "agent.resume",
  wire: "RESUME",
  opcode: 0x15,
  since: "0.1.0",
  summary: "Lets a paused agent go on.",
  params: z.object(targetFields),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    resumed: z.literal(true).describe("It is so now."),
    agent_id: agentId("The agent's number."),
  }),
  record: recordTarget,
  tool: true,
  failure: { resumed: false, agent_id: 0 },
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, true);
    await agent.resume(ctx.caller.id);
    return { success: true as const, resumed: true as const, agent_id: agent.id };
  },
});
