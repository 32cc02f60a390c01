import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { fileNeed, LEVELS, type Need, plainNeed } from "../../../permissions/mod.ts";
import { limitsSchema } from "../../agents/resources.ts";
import type { SpawnRequest } from "../../agents/admission.ts";
import { agentId, nameField } from "../../fields.ts";
import { LIMITS } from "../../limits.ts";
import type { Principal } from "../../principals.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { traceparentField } from "../../telemetry/trace_context.ts";
import {
  isolationOf,
  isolationSchema,
  limitsAnswer,
  limitsOf,
  stateFields,
  stateOf,
  wallField,
} from "./shapes.ts";

const path = z.string().min(1).max(LIMITS.pathBytes);
/** Terminals are no larger; the size travels as 16 bits. */
const cells = z.int().min(1).max(10_000);

/** The parameters of SPAWN; `agent.explain` takes the same. */
export const spawnParams = z.object({
  name: nameField("Its name, unique among agents and registered names. Default agent_NUMBER.").optional(),
  script: z.string().max(LIMITS.pathBytes).optional()
    .describe(
      "Program file: .ts and .js run with Deno, anything else with Python. Absolute, or from the caller's directory.",
    ),
  command: z.array(z.string()).min(1).max(4096).optional()
    .describe("An argv instead of a script; its program is looked up in a fixed path."),
  args: z.array(z.string()).max(4096).optional()
    .describe(
      "Arguments of the script. Without them a Python script gets the socket's path as its only one.",
    ),
  python: z.string().min(1).max(LIMITS.pathBytes).optional().describe(
    "Interpreter of the script. Default python3.",
  ),
  level: z.enum(LEVELS).optional().describe(
    "Named policy to begin with. Default sandboxed, unless there is a policy.",
  ),
  policy: z.union([z.string(), z.array(z.string()), z.record(z.string(), z.unknown())]).optional()
    .describe("Rules in policy syntax; together with a level they are added to it."),
  permissions: z.enum(["flags", "broker"]).optional().describe(
    "How Deno holds its program to the policy: `broker` (the default) asks the kernel before each access, `flags` are fixed.",
  ),
  sandboxed: z.boolean().optional().describe(
    "False: an ordinary process, without walls. Default true, or as its parent.",
  ),
  network: z.boolean().optional().describe("True: the machine's own network. Default false: none."),
  require: z.array(wallField).max(16).optional().describe("Walls without which it must not start."),
  limits: limitsSchema.optional().describe("Resource limits."),
  env: z.record(z.string(), z.string()).optional().describe("Environment variables beside the fixed ones."),
  workdir: path.optional().describe("Directory it works in, seen as /work. Default a private one."),
  ro: z.array(path).max(64).optional().describe("Paths it may also read."),
  rw: z.array(path).max(64).optional().describe("Paths it may also read and write."),
  stdin: z.union([z.boolean(), z.enum(["pipe", "null"])]).optional()
    .describe("True or `pipe`: agent.input writes to its standard input. Default none."),
  tty: z.union([
    z.boolean(),
    z.object({
      rows: cells.default(24).describe("Lines."),
      columns: cells.default(80).describe("Characters."),
    }),
  ]).optional().describe("A terminal instead of pipes."),
  restart_policy: z.string().optional().describe("never, on-failure or always. Default never."),
  max_restarts: z.int().min(0).max(1_000_000).optional().describe(
    "Within the window; one more escalates. Default 5.",
  ),
  restart_window: z.number().positive().max(31_536_000).optional().describe("Seconds. Default 300."),
  restart_backoff_ms: z.int().min(1).max(3_600_000).optional().describe(
    "Before the first restart; doubles. Default 1000.",
  ),
  restart_backoff_max_ms: z.int().min(1).max(86_400_000).optional().describe(
    "The longest delay. Default 60000.",
  ),
  traceparent: traceparentField("The trace it belongs to; it finds its place in it as TRACEPARENT."),
  grace_ms: z.int().min(0).max(300_000).optional()
    .describe("Between SIGTERM and the end of everything, when it is stopped. Default 5000."),
  learn: path.optional().describe(
    "File into which the smallest policy for this run is written at its end; until then it may do nearly everything.",
  ),
  record: path.optional().describe(
    "File into which this run and those of all agents it spawns are recorded, for a replay; `.gz` compresses.",
  ),
});

/** From the wire's forms to the one the service knows. */
export function spawnRequest(params: z.output<typeof spawnParams>): SpawnRequest {
  const { stdin, tty, restart_policy, record: _record, traceparent: _traceparent, learn: _learn, ...rest } =
    params;
  return {
    ...rest,
    stdin: stdin === true || stdin === "pipe",
    tty: tty === true ? { rows: 24, columns: 80 } : tty === false ? undefined : tty,
    restart_policy: restartPolicy(restart_policy),
  };
}

/** The original takes any other word for never. */
function restartPolicy(word: string | undefined): SpawnRequest["restart_policy"] {
  if (word === "always") return "always";
  return word === "on-failure" || word === "on_failure" ? "on-failure" : "never";
}

/** For `demand` as a plain function. */
export function demandOf(ctx: Context): (need: Need) => void {
  return (need) => ctx.demand(need);
}

/** The program learns from its environment which trace it belongs to. */
function traced(request: SpawnRequest, { services, traceparent }: Context): SpawnRequest {
  const trace = services.telemetry?.life(request.name, traceparent) ?? request.env?.TRACEPARENT ??
    traceparent;
  return trace ? { ...request, env: { ...request.env, TRACEPARENT: trace } } : request;
}

/** For the audit line: arguments and variables may hold secrets, so of those only their number and names. */
export function recordSpawn(params: z.output<typeof spawnParams>): Record<string, unknown> {
  const { name, script, command, args, env, level, policy, sandboxed, network, require } = params;
  const { workdir, ro, rw, restart_policy, record } = params;
  return {
    name,
    script,
    program: command?.[0],
    arguments: command ? command.length - 1 : args?.length,
    variables: env ? Object.keys(env).slice(0, 32) : undefined,
    level,
    policy,
    sandboxed,
    network,
    require,
    workdir,
    ro,
    rw,
    restart_policy,
    record,
  };
}

/** Where the kernel writes what comes of a run: only those who own the machine's files may say. */
export function writtenPath(ctx: Context, act: "record" | "learn", path: string): string {
  ctx.demand(plainNeed("admin", act));
  if (ctx.caller.kind !== "operator") {
    throw new SyscallError("unsupported", `Cannot ${act} into "${path}": only an operator names the file`);
  }
  if (!isAbsolute(path)) {
    throw new SyscallError("bad_request", `Cannot ${act} into "${path}": the path has to be absolute`);
  }
  ctx.demand(fileNeed("fs.write", normalize(path)));
  return normalize(path);
}

/** Starts an agent. */
export const agentSpawn = defineSyscall({
  name: "agent.spawn",
  wire: "SPAWN",
  opcode: 0x10,
  since: "0.1.0",
  summary:
    "Starts an agent: a script or a command, with a policy, walls and limits that are never wider than the caller's.",
  params: spawnParams,
  result: z.object({
    success: z.literal(true).describe("Always true."),
    id: agentId("The agent's number, for all its restarts."),
    agent_id: agentId("The same."),
    name: z.string().describe("Its name."),
    pid: z.int().describe("Its process on the host."),
    status: z.literal("running").describe("Always running."),
    ...stateFields,
    restart_policy: z.enum(["never", "on-failure", "always"]).describe("What happens when it ends."),
    isolation: isolationSchema,
    limits: limitsAnswer.describe("The limits that were asked for; `isolation` tells which hold."),
    level: z.string().nullable().describe("The level its policy is, null for any other policy."),
  }),
  record: recordSpawn,
  tool: true,
  async handle(ctx, params) {
    const { agents, learner, recorder } = ctx.services;
    const request = traced(spawnRequest(params), ctx);
    const path = params.record === undefined ? undefined : writtenPath(ctx, "record", params.record);
    const learn = params.learn === undefined ? undefined : writtenPath(ctx, "learn", params.learn);
    const { caller } = ctx;
    const agent = await learner.spawn(request, { path: learn, caller }, (learning) => {
      const learned = { ...request, ...learning };
      return recorder.spawn(learned, { path, caller }, (recording) => {
        const onPrincipal = (principal: Principal): void => {
          learning.onPrincipal?.(principal);
          recording.onPrincipal?.(principal);
        };
        return agents.spawn({ ...learned, ...recording, onPrincipal }, caller, demandOf(ctx));
      });
    });
    return {
      success: true as const,
      id: agent.id,
      agent_id: agent.id,
      name: agent.name,
      pid: agent.pid,
      status: "running" as const,
      ...stateOf(agent),
      restart_policy: agent.plan.rules.policy,
      isolation: isolationOf(agent.isolation!),
      limits: limitsOf(agent.limits),
      level: agent.principal.authority.base.level,
    };
  },
});
