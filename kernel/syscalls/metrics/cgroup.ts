import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { agentId, success } from "../../fields.ts";
import type { CgroupMetrics } from "../../metrics/metrics.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { cgroupShape } from "./shapes.ts";

/** A cgroup's counters and limits. */
export const metricsCgroup = defineSyscall({
  name: "metrics.cgroup",
  wire: "METRICS_CGROUP",
  opcode: 0xc3,
  since: "0.1.0",
  summary: "Tells the counters and limits of an agent's cgroup.",
  params: z.object({
    cgroup_path: z.string().max(4096).optional().describe(
      "Relative to the machine's cgroup root, or `clove/NAME_NUMBER` for an agent; absent means the caller's own.",
    ),
    agent_id: agentId("This agent's, when no path is given.").optional(),
  }),
  result: z.object({
    success,
    metrics: cgroupShape.describe("Everything."),
    cpu_usage_usec: z.number().describe("The same as `metrics.cpu.usage_usec`."),
    memory_current: z.number().describe("The same as `metrics.memory.current`."),
    memory_limit: z.number().describe("The same as `metrics.memory.max`."),
    pids_current: z.number().describe("The same as `metrics.pids.current`."),
    pids_limit: z.number().describe("The same as `metrics.pids.max`."),
  }),
  record: ({ cgroup_path, agent_id }) => ({ cgroup_path, agent_id }),
  tool: false,
  badJson: "Invalid JSON payload",
  handle(ctx, { cgroup_path, agent_id }) {
    const path = cgroup_path || `clove/agent-${agent_id || ctx.caller.id}`;
    const metrics = read(ctx, path);
    if (!metrics) {
      throw new SyscallError(
        "not_found",
        `Cgroup not found or not readable: "${path}" is no cgroup below the root`,
        {
          details: { cgroup_path: path },
        },
      );
    }
    const { cpu, memory, pids } = metrics;
    return {
      metrics,
      cpu_usage_usec: cpu.usage_usec,
      memory_current: memory.current,
      memory_limit: memory.max,
      pids_current: pids.current,
      pids_limit: pids.max,
    };
  },
});

function read(ctx: Context, path: string): CgroupMetrics | null {
  const { agents, metrics } = ctx.services;
  const number = AGENT_PATH.exec(path)?.[1];
  const agent = number === undefined ? undefined : agents.get(Number(number));
  const dir = number === undefined ? metrics.cgroupDir(path) : agent?.process?.cgroup ?? null;
  if (dir === null) return null;
  const owner = agent ?? [...agents.all()].find((one) => within(dir, one.process?.cgroup));
  const own = owner && (owner.principal === ctx.caller || agents.mayManage(ctx.caller, owner));
  // What runs elsewhere on the machine is nobody's business but the administrator's, its existence included.
  if (!own) ctx.demand(owner ? agents.adminNeed(owner) : plainNeed("admin", "metrics.cgroup"));
  return metrics.cgroup(dir, path);
}

/** The original's paths: `clove/NAME_NUMBER`, and `clove/agent-NUMBER`. They mean the agent, wherever its cgroup is. */
const AGENT_PATH = /^\/?clove\/(?:[A-Za-z0-9._-]{1,64}_|agent-)(\d{1,10})\/?$/;

function within(dir: string, cgroup: string | null | undefined): boolean {
  return !!cgroup && (dir === cgroup || dir.startsWith(`${cgroup}/`));
}
