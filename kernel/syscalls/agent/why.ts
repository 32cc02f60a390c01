import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { askFor, plainNeed } from "../../../permissions/mod.ts";
import { AGENT_STATES, STATE_NAMES } from "../../agents/states.ts";
import { agentId } from "../../fields.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { type Denial, examineAgent, examineFormer, type PostMortem } from "../../telemetry/post_mortem.ts";
import { exitFields, exitOf, identityFields, limitsAnswer, limitsOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

const STANDARD = { calls: 10, lines: 10 };
const time = z.number().describe("Epoch milliseconds.");

/** Tells how an agent ended. */
export const agentWhy = defineSyscall({
  name: "agent.why",
  wire: "WHY",
  opcode: 0x1c,
  since: "0.1.0",
  summary:
    "Tells how an agent ended, or how it is doing: the cause in words, its last calls and output, limits, refusals.",
  params: z.strictObject({
    ...targetFields,
    calls: z.int().min(0).max(32).default(STANDARD.calls).describe("How many of its last calls."),
    lines: z.int().min(0).max(200).default(STANDARD.lines).describe("How many lines of its output."),
  }),
  result: z.object({
    ...identityFields,
    state: z.enum(AGENT_STATES).describe("What it is doing; stopped for an agent of an earlier kernel."),
    state_name: z.string().describe("The same in the original's words, such as RUNNING."),
    known: z.boolean().describe(
      "False: it was an earlier kernel's, and only the audit log and its output tell.",
    ),
    why: z.string().describe(
      "One sentence that its name goes before, such as `was killed by SIGKILL after 3 s`.",
    ),
    pid: z.int().describe("Its process; 0 when there is none."),
    uptime: z.number().describe("Seconds since its current run began."),
    started_at: z.number().nullable().describe("Epoch seconds of its spawn; null when not known."),
    parent_id: agentId("Who spawned it.").nullable().describe("Who spawned it; null when not known."),
    killed_by: z.int().nullable().describe("Who stopped it; null when nobody did."),
    restart_count: z.int().describe("How often it was restarted."),
    restart_policy: z.string().nullable().describe("What happens when it ends."),
    exit: z.object(exitFields).nullable().describe("How its last run ended, when one did."),
    limits: limitsAnswer.nullable().describe("Its limits; null when not known."),
    peak_memory: z.number().nullable().describe("The most memory it held, in bytes; null when not known."),
    cpu_ms: z.number().nullable().describe("CPU time, in milliseconds; null when not known."),
    missing: z.array(z.string()).describe("Walls that are not, or were not, there."),
    syscalls: z.int().describe("Calls it made."),
    denied: z.int().describe("Calls that were refused."),
    calls: z.array(z.object({
      time,
      syscall: z.string().describe("Its name."),
      about: z.string().describe("A path, a name, a key; shortened, empty when there is none."),
      outcome: z.string().describe("ok, or an error code."),
      duration_ms: z.number().describe("From request to answer."),
    })).describe("Its last calls, oldest first."),
    denials: z.array(z.object({
      time,
      syscall: z.string().describe("What it called; empty when the kernel does not know."),
      need: z.string().describe("What it would have needed."),
      rule: z.string().describe("What refused it."),
      repeated: z.int().describe("How often it was refused again."),
      ask: z.string().describe("How to allow it; empty when there is no way."),
    })).describe("What it was refused, oldest first; each need once."),
    history: z.array(z.object({
      time,
      event: z.string().describe("Such as AGENT_RESTARTING."),
      details: z.record(z.string(), z.unknown()).describe("As in the audit log."),
    })).describe("What happened to it, oldest first."),
    output: z.array(z.object({
      time,
      stream: z.enum(["stdout", "stderr"]).describe("Where it was written."),
      text: z.string().describe("One line; long ones are cut."),
    })).describe("Its last lines, oldest first."),
  }),
  record: recordTarget,
  tool: true,
  async handle(ctx, params) {
    const { agents } = ctx.services;
    const { calls, lines, name = "" } = params;
    const byName = !(params.id || params.agent_id);
    if (byName && name !== "" && !agents.named(name)) {
      return answer(await former(ctx, name, { calls, lines }));
    }
    const agent = managedAgent(ctx, params, true);
    return answer(await examineAgent(ctx.services, agent, { calls, lines }));
  },
});

/** Whoever once had a name is nobody's child any more: only who administers may know. */
async function former(ctx: Context, name: string, amounts: { calls: number; lines: number }) {
  const allowed = ctx.caller.kind === "operator" ||
    ctx.caller.authority.weigh(plainNeed("admin", `agent/${name}`), ctx.services.clock.now()).allowed;
  const found = allowed ? await examineFormer(ctx.services, name, amounts) : null;
  if (found) return found;
  throw new SyscallError("not_found", `Agent not found: "${name}"`, { details: { agent_id: 0 } });
}

function answer(found: PostMortem) {
  const { agent, exit, limits } = found;
  const state = agent?.state ?? "stopped";
  return {
    agent_id: found.agent_id,
    name: found.name,
    state,
    state_name: STATE_NAMES[state],
    known: agent !== null,
    why: found.why,
    pid: agent?.pid ?? 0,
    uptime: (agent?.uptimeMs ?? 0) / 1000,
    started_at: agent ? agent.createdAt / 1000 : null,
    parent_id: agent?.spawner.id ?? null,
    killed_by: agent?.killedBy ?? null,
    restart_count: found.restarts,
    restart_policy: agent?.plan.rules.policy ?? null,
    exit: exit && exitOf(exit),
    limits: limits && limitsOf(limits),
    peak_memory: found.peakMemory,
    cpu_ms: found.cpuMs,
    missing: [...agent?.isolation?.missing ?? []],
    syscalls: agent?.principal.counts.syscalls ?? 0,
    denied: agent?.principal.counts.denials ?? 0,
    calls: found.calls.map((call) => ({ ...call })),
    denials: found.denials.map((denial) => ({ ...denial, ask: askOf(found, denial) })),
    history: found.history.map((one) => ({ ...one })),
    output: found.output.map((line) => ({ ...line })),
  };
}

/** The same advice as in the receipt; for agents that are gone there is nobody to grant it to. */
function askOf({ agent, name }: PostMortem, { need, rule }: Denial): string {
  return agent && !agent.ended && need.includes(":")
    ? askFor({ need, rule, missing: need, ask: "" }, name)
    : "";
}
