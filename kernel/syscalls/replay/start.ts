import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { fileNeed, plainNeed } from "../../../permissions/mod.ts";
import { agentId } from "../../fields.ts";
import { LIMITS } from "../../limits.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { demandOf } from "../agent/spawn.ts";
import { readEntries } from "./entries.ts";

const call = z.int().min(0).max(2 ** 32);
/** More than anybody writes by hand. */
const MOST_PATCHES = 1_000;

const params = z.object({
  recording_data: z.unknown().optional().describe("Entries of record.status, as a list or as its text."),
  recording: z.unknown().optional().describe("The same, under the name that the Python SDK sends."),
  include: z.array(z.string().max(64)).max(64).optional()
    .describe("Families or calls to replay that are skipped otherwise, such as `net`."),
  path: z.string().min(1).max(LIMITS.pathBytes).optional()
    .describe(
      "Instead: a file that agent.spawn recorded. Its program runs again, its calls answered from there.",
    ),
  agent: z.string().max(LIMITS.nameChars).optional()
    .describe("With `path`: name or number of the recorded agent. Default the first."),
  patches: z.array(z.object({
    call: call.describe("Zero-based number of the recorded call."),
    answer: z.unknown().describe("What it is answered with."),
  })).max(MOST_PATCHES).optional().describe("With `path`: other answers than the recorded ones."),
  continue_live_from: call.optional()
    .describe("With `path`: from this call on everything is real. Default never."),
  env: z.record(z.string(), z.string()).optional()
    .describe("With `path`: variables whose values the recording does not keep, or other values."),
});

/** Replays. */
export const replayStart = defineSyscall({
  name: "replay.start",
  wire: "REPLAY_START",
  opcode: 0x73,
  since: "0.1.0",
  summary:
    "Replays: recorded calls in an isolated kernel, or with `path` a recorded program, offline, until it calls something else.",
  params,
  result: z.object({
    success: z.literal(true).describe("Always true."),
    active: z.literal(true).describe("Always true."),
    total_entries: z.int().describe("Recorded calls."),
    replay_id: z.int().optional().describe("For replay.status; with `path`."),
    agent_id: agentId("The agent that runs the program again; with `path`.").optional(),
    name: z.string().optional().describe("The recorded agent's name; with `path`."),
    recorded_agent_id: agentId("The recorded agent's number; with `path`.").optional(),
    program: z.string().optional().describe("What runs again; with `path`."),
    sha256: z.string().nullable().optional().describe("Of the program now; null when it cannot be read."),
    recorded_sha256: z.string().nullable().optional().describe("Of the program as it was recorded."),
    program_changed: z.boolean().optional().describe("True when the two differ."),
  }),
  needs: () => [plainNeed("admin", "replay")],
  record: ({ path, agent, continue_live_from, patches }) => ({
    path,
    agent,
    continue_live_from,
    patches: patches?.map(({ call }) => call),
  }),
  tool: false,
  badJson: "Invalid JSON payload",
  async handle(ctx, given) {
    const { entriesReplay } = ctx.services;
    if (given.path !== undefined) return await replayFile(ctx, given, given.path);
    const data = given.recording_data ?? given.recording;
    if (data === undefined) throw new SyscallError("bad_request", "No recording loaded");
    const entries = readEntries(data);
    if (entries.length === 0) throw new SyscallError("bad_request", "No recording loaded");
    entriesReplay.start(entries, given.include ?? []);
    told(ctx, entries.length);
    return { success: true as const, active: true as const, total_entries: entries.length };
  },
});

async function replayFile(ctx: Context, given: z.output<typeof params>, file: string) {
  const path = checkedPath(ctx, file);
  const replay = await ctx.services.replays.start(
    {
      path,
      ...(given.agent === undefined ? {} : { agent: given.agent }),
      patches: new Map(given.patches?.map(({ call, answer }) => [call, answer]) ?? []),
      liveFrom: given.continue_live_from ?? null,
      env: given.env ?? {},
    },
    ctx.caller,
    demandOf(ctx),
  );
  const { id, agent, recorded, replayer, sha256 } = replay;
  told(ctx, replayer.total);
  return {
    success: true as const,
    active: true as const,
    total_entries: replayer.total,
    replay_id: id,
    agent_id: agent.id,
    name: recorded.name,
    recorded_agent_id: recorded.agent,
    program: recorded.script ?? recorded.command?.[0] ?? "",
    sha256,
    recorded_sha256: recorded.sha256,
    program_changed: sha256 !== recorded.sha256,
  };
}

/** It is the kernel that reads the file, so only those who own the machine's files may name it. */
export function checkedPath(ctx: Context, path: string): string {
  if (ctx.caller.kind !== "operator") {
    throw new SyscallError("unsupported", `Cannot replay "${path}": only an operator names the file`);
  }
  if (!isAbsolute(path)) {
    throw new SyscallError("bad_request", `Cannot replay "${path}": the path has to be absolute`);
  }
  ctx.demand(fileNeed("fs.read", normalize(path)));
  return normalize(path);
}

function told(ctx: Context, total: number): void {
  ctx.services.audit.write({
    category: "SYSCALL",
    event_type: "REPLAY_STARTED",
    agent_id: ctx.caller.id,
    agent_name: ctx.caller.name,
    details: { started_by: ctx.caller.id, total_entries: total },
  });
}
