import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { exceeds, limitsSchema, resolveLimits } from "../../agents/resources.ts";
import { defineSyscall } from "../../syscall.ts";
import { identityFields, limitsAnswer, limitsOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** Changes the limits of a running agent. */
export const agentLimits = defineSyscall({
  name: "agent.limits",
  wire: "LIMITS",
  opcode: 0x18,
  since: "0.1.0",
  summary:
    "Changes the limits of an agent while it runs, and tells which really hold; without `limits` it only tells.",
  params: z.object({
    ...targetFields,
    limits: limitsSchema.optional().describe("What is to change; the rest stays."),
  }),
  result: z.object({
    ...identityFields,
    limits: limitsAnswer.describe("What was asked for, over all calls."),
    applied: limitsAnswer.describe("What really holds now."),
    missing: z.array(z.string()).describe("Limits that could not be applied."),
  }),
  record: (params) => ({ ...recordTarget(params), limits: params.limits }),
  tool: true,
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, params.limits === undefined);
    const wanted = resolveLimits(params.limits ?? {}, agent.limits);
    const parent = ctx.services.agents.agentOf(agent.spawner);
    const beyond = parent && params.limits ? exceeds(wanted, parent.limits) : null;
    if (beyond && ctx.caller.kind !== "operator") {
      throw new SyscallError(
        "limit",
        `Cannot give ${agent.principal.label} more than its parent has: ${beyond}`,
      );
    }
    const { applied, missing } = await agent.setLimits(wanted);
    return {
      agent_id: agent.id,
      name: agent.name,
      limits: limitsOf(agent.limits),
      applied: limitsOf(applied),
      missing: [...missing],
    };
  },
});
