import { z } from "zod";
import type { Agent } from "../../agents/agent.ts";
import { cgroupBytesNow, processStatNow } from "../../agents/processes.ts";
import { agentId } from "../../fields.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { exitFields, exitOf, stateFields, stateOf } from "./shapes.ts";

/** Measuring asks the system about each process; past this number the answer leaves measurements out. */
const MOST_MEASURED = 256;

const item = z.object({
  id: agentId("Its number."),
  agent_id: agentId("The same."),
  name: z.string().describe("Its name."),
  ...stateFields,
  running: z.boolean().describe("True in state running, with a living process."),
  pid: z.int().describe("Its process; 0 when there is none, or when the caller may not know."),
  uptime: z.number().describe("Seconds since its current run began."),
  memory: z.number().nullable().optional().describe("Bytes it holds; absent when the caller may not know."),
  cpu: z.number().nullable().optional().describe("Percent of one CPU, over its current run."),
  parent_id: agentId("Who spawned it.").optional(),
  restart_count: z.int().optional().describe("How often it was restarted."),
  restart_policy: z.string().optional().describe("What happens when it ends."),
  level: z.string().nullable().optional().describe("The level its policy is."),
  isolated: z.boolean().optional().describe("True when every wall stands."),
  missing: z.array(z.string()).optional().describe("Walls that are not there."),
  started_at: z.number().optional().describe("Epoch seconds of its spawn."),
  exit: z.object(exitFields).optional().describe("How its last run ended, when one did."),
});

/** Lists agents. */
export const agentList = defineSyscall({
  name: "agent.list",
  wire: "LIST",
  opcode: 0x12,
  since: "0.1.0",
  summary:
    "Lists the agents, as an array: everything about the caller's own, of others only name, number and state.",
  params: z.object({
    all: z.boolean().optional().describe("Those that have ended too, as far as they are remembered."),
  }),
  result: z.array(item),
  record: ({ all }) => ({ all }),
  tool: true,
  bare: true,
  handle(ctx, { all }) {
    const agents = [...ctx.services.agents.all()].filter((agent) => all || !agent.ended);
    const measured = agents.length <= MOST_MEASURED;
    return agents.map((agent) => describe(ctx, agent, measured));
  },
});

function describe(ctx: Context, agent: Agent, measured: boolean): z.input<typeof item> {
  const known = {
    id: agent.id,
    agent_id: agent.id,
    name: agent.name,
    ...stateOf(agent),
    running: agent.state === "running",
    pid: 0,
    uptime: agent.uptimeMs / 1000,
  };
  const { caller, services } = ctx;
  if (caller !== agent.principal && !services.agents.mayManage(caller, agent)) return known;
  return {
    ...known,
    pid: agent.pid,
    ...(measured ? measure(agent) : {}),
    parent_id: agent.spawner.id,
    restart_count: agent.restartCount,
    restart_policy: agent.plan.rules.policy,
    level: agent.principal.authority.base.level,
    isolated: agent.isolation?.fully_isolated ?? false,
    missing: [...agent.isolation?.missing ?? []],
    started_at: agent.createdAt / 1000,
    ...(agent.exit ? { exit: exitOf(agent.exit) } : {}),
  };
}

/** Two small reads, made here: in other threads they would cost the event loop more than they take. */
function measure(agent: Agent): { memory: number | null; cpu: number | null } {
  const { process } = agent;
  const stat = process && processStatNow(process.pid);
  if (!stat) return { memory: null, cpu: null };
  const uptime = agent.uptimeMs;
  return {
    memory: process.cgroup ? cgroupBytesNow(process.cgroup) : stat.residentBytes,
    cpu: uptime > 0 ? Math.round(stat.cpuMs / uptime * 1000) / 10 : null,
  };
}
