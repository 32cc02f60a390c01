/**
 * Answers that several rows of this family share.
 *
 * @module
 */
import { z } from "zod";
import type { Agent } from "../../agents/agent.ts";
import { type Exit, type Isolation, type Limits, WALLS } from "../../agents/launch.ts";
import { AGENT_STATES, STATE_NAMES } from "../../agents/states.ts";
import { agentId } from "../../fields.ts";

/** Walls by name. */
export const wallField = z.enum(WALLS);

/** What really stands around an agent. */
export const isolationSchema = z.object({
  fully_isolated: z.boolean().describe(
    "True only if every wall stands and every limit was applied and read back.",
  ),
  namespaces: z.object({
    pid: z.boolean().describe("Sees only its own processes."),
    net: z.boolean().describe("Has a network of its own."),
    mnt: z.boolean().describe("Sees only its own files."),
    uts: z.boolean().describe("Has a host name of its own."),
    ipc: z.boolean().describe("Has System V IPC of its own."),
    user: z.boolean().describe("Its users are not the host's."),
  }).describe("Which namespaces are its own."),
  cgroups: z.object({
    available: z.boolean().describe("It has a cgroup of its own."),
    memory_limit: z.boolean().describe("The memory limit holds."),
    cpu_quota: z.boolean().describe("The CPU limit holds."),
    pids_limit: z.boolean().describe("The limit on processes holds."),
  }).describe("Which limits hold."),
  seccomp: z.boolean().describe("Dangerous system calls are refused."),
  landlock: z.boolean().describe("File access is restricted by Landlock."),
  capabilities_dropped: z.boolean().describe("It has no capabilities."),
  no_new_privs: z.boolean().describe("It cannot gain any."),
  missing: z.array(wallField).describe("Walls that are not there."),
  degraded_reason: z.string().optional().describe("Why, when one is missing."),
}).describe("What really stands around it.");

function asked(what: string): z.ZodOptional<z.ZodNullable<z.ZodInt>> {
  return z.int().nullable().optional().describe(`${what} Absent where nobody asked for it.`);
}

/** Limits in the kernel's own units. */
export const limitsAnswer = z.object({
  memory: z.int().nullable().describe("Bytes; null is no limit."),
  max_pids: z.int().nullable().describe("Processes and threads; null is no limit."),
  cpu_quota: z.int().nullable().describe("Microseconds of CPU in each period; null is no limit."),
  cpu_period: z.int().describe("Microseconds."),
  cpu_shares: z.int().describe("Weight against others, 1024 is normal."),
  memory_high: asked("Bytes above which it is slowed down."),
  memory_swap: asked("Bytes of swap."),
  io_read_bps: asked("Bytes a second read from each disk of its writable places."),
  io_write_bps: asked("Bytes a second written to each."),
  io_read_iops: asked("Reads a second from each."),
  io_write_iops: asked("Writes a second to each."),
  disk: asked("Bytes in its private directories."),
});

/** State in today's words, and in the original's. */
export const stateFields = {
  state: z.enum(AGENT_STATES).describe("What it is doing."),
  state_name: z.string().describe("The same in the original's words, such as RUNNING."),
} as const;

/** Both of them for one agent. */
export function stateOf(agent: Agent): { state: Agent["state"]; state_name: string } {
  return { state: agent.state, state_name: STATE_NAMES[agent.state] };
}

/** How a run ended. */
export const exitFields = {
  exit_code: z.int().describe("0-255; 128 and the signal's number when a signal ended it."),
  signal: z.string().nullable().describe("Such as SIGKILL; null when it exited by itself."),
  reason: z.enum(["exited", "killed", "oom", "crashed"]).describe("oom is its memory limit."),
  cause: z.string().describe("The same in words."),
  duration_ms: z.number().describe("How long the run took."),
} as const;

/** The fields of {@link exitFields}. */
export function exitOf(
  exit: Exit,
): Pick<Exit, "signal" | "reason" | "cause" | "duration_ms"> & { exit_code: number } {
  const { code, signal, reason, cause, duration_ms } = exit;
  return { exit_code: code, signal, reason, cause, duration_ms };
}

/** The numbers of an agent. */
export const identityFields = {
  agent_id: agentId("The agent's number."),
  name: z.string().describe("Its name."),
} as const;

/** A copy that nobody changes, for an answer. */
export function isolationOf(isolation: Isolation): z.input<typeof isolationSchema> {
  return { ...isolation, missing: [...isolation.missing] };
}

/** A copy for an answer. */
export function limitsOf(limits: Limits): z.input<typeof limitsAnswer> {
  return { ...limits };
}
