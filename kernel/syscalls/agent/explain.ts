import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";
import { demandOf, recordSpawn, spawnParams, spawnRequest } from "./spawn.ts";

/** Tells what SPAWN would do. */
export const agentExplain = defineSyscall({
  name: "agent.explain",
  wire: "EXPLAIN",
  opcode: 0x1b,
  since: "0.1.0",
  summary:
    "Tells the steps that agent.spawn would take with these arguments, or why it would refuse, without taking them.",
  params: spawnParams,
  result: z.object({ steps: z.array(z.string()).describe("One step a line, in their order.") }),
  record: recordSpawn,
  tool: false,
  async handle(ctx, params) {
    return { steps: [...await ctx.services.agents.explain(spawnRequest(params), ctx.caller, demandOf(ctx))] };
  },
});
