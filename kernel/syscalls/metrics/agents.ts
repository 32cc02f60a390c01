import { z } from "zod";
import { success } from "../../fields.ts";
import { factsOf } from "../../metrics/metrics.ts";
import { defineSyscall } from "../../syscall.ts";
import { agentShape, withoutSecrets } from "./shapes.ts";

/** The metrics of all agents that have not ended. */
export const metricsAgents = defineSyscall({
  name: "metrics.agents",
  wire: "METRICS_ALL_AGENTS",
  opcode: 0xc2,
  since: "0.1.0",
  summary: "Tells what every living agent uses and has done.",
  params: z.object({}),
  result: z.object({
    success,
    agents: z.array(agentShape).describe("In the order of their numbers."),
    count: z.int().describe("How many."),
  }),
  record: () => ({}),
  tool: false,
  async handle(ctx) {
    const { agents, metrics } = ctx.services;
    const facts = [...agents.all()].filter((agent) => !agent.ended).map(factsOf);
    const all = (await metrics.all(facts)).map((one) => withoutSecrets(ctx, one));
    return { agents: all, count: all.length };
  },
});
