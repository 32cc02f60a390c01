import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId, success } from "../../fields.ts";
import { factsOf } from "../../metrics/metrics.ts";
import { defineSyscall } from "../../syscall.ts";
import { agentShape, withoutSecrets } from "./shapes.ts";

/** One agent's metrics. */
export const metricsAgent = defineSyscall({
  name: "metrics.agent",
  wire: "METRICS_AGENT",
  opcode: 0xc1,
  since: "0.1.0",
  summary: "Tells what one agent uses and has done.",
  params: z.object({ agent_id: agentId("Whose; 0 and absent mean the caller's own.").optional() }),
  result: z.object({
    success,
    metrics: agentShape.describe("Everything."),
    cpu_percent: z.number().describe("The same as `metrics.cpu_percent`."),
    memory_bytes: z.number().describe("The same as `metrics.memory_bytes`."),
    memory_percent: z.number().describe("The same as `metrics.memory_percent`."),
    syscalls_count: z.number().describe("The same as `metrics.syscalls_count`."),
    uptime_seconds: z.number().describe("The same as `metrics.uptime_seconds`."),
    state: z.string().describe("The same as `metrics.state`."),
  }),
  record: ({ agent_id }) => ({ agent_id }),
  tool: false,
  badJson: "Invalid JSON payload",
  handle(ctx, params) {
    const agent_id = params.agent_id || ctx.caller.id;
    const agent = ctx.services.agents.get(agent_id);
    if (!agent) {
      throw new SyscallError(
        "not_found",
        `Agent not found: Cannot show metrics, no agent has the number ${agent_id}`,
        {
          details: { agent_id },
        },
      );
    }
    const metrics = withoutSecrets(ctx, ctx.services.metrics.agent(factsOf(agent)));
    const { cpu_percent, memory_bytes, memory_percent, syscalls_count, uptime_seconds, state } = metrics;
    return { metrics, cpu_percent, memory_bytes, memory_percent, syscalls_count, uptime_seconds, state };
  },
});
