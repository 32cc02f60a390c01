import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { agentId } from "../../fields.ts";
import { LIMITS } from "../../limits.ts";
import { snapshotAt } from "../../recording/inspect.ts";
import { agentIn, agentsOf, readRecording } from "../../recording/read.ts";
import { defineSyscall } from "../../syscall.ts";
import { checkedPath } from "./start.ts";

/** A snapshot is one answer, and has to fit. */
const SNAPSHOT_BYTES = 32 * 1024 * 1024;

const line = z.record(z.string(), z.unknown());

/** Looks into a recording. */
export const replayInspect = defineSyscall({
  name: "replay.inspect",
  wire: "REPLAY_INSPECT",
  opcode: 0x75,
  since: "0.1.0",
  summary:
    "Tells what a recorded file holds: its agents, with `at` what one of them had before it, and in protocol 2 its lines.",
  params: z.strictObject({
    path: z.string().min(1).max(LIMITS.pathBytes).describe("A file that agent.spawn recorded."),
    agent: z.string().max(LIMITS.nameChars).optional()
      .describe("Name or number of the recorded agent. Default the first."),
    at: z.int().min(0).optional().describe("Zero-based number of a call: everything before it has happened."),
    lines: z.boolean().optional().describe("Give every line of the file, as parts; protocol 2 only."),
  }),
  result: z.object({
    header: line.describe("The first line of the file."),
    agents: z.array(z.object({
      agent: agentId("Its number."),
      name: z.string().describe("Its name."),
      parent: agentId("Who spawned it, 0 for an operator."),
      program: z.string().describe("What ran."),
      calls: z.int().describe("Its recorded calls."),
      replayable: z.boolean().describe("False when it had begun before the recording."),
      exit: line.nullable().describe("How it ended; null when the recording does not tell."),
    })).describe("Who was recorded, the first one first."),
    complete: z.boolean().describe("False when the recording ended before its agents."),
    snapshot: line.optional().describe(
      "With `at`: `at`, `t`, `next`, `state`, `files`, `received`, `sent`, `events`, `output`.",
    ),
  }),
  part: line,
  streams: true,
  needs: () => [plainNeed("admin", "replay")],
  record: ({ path, agent, at }) => ({ path, agent, at }),
  tool: false,
  async handle(ctx, params) {
    const recording = await readRecording(checkedPath(ctx, params.path));
    const { header, lines } = recording;
    const agents = agentsOf(recording).map((agent) => {
      const own = lines.filter((line) => "agent" in line && line.agent === agent.agent);
      return {
        agent: agent.agent,
        name: agent.name,
        parent: agent.parent,
        program: agent.script ?? agent.command?.join(" ") ?? "",
        calls: own.filter(({ kind }) => kind === "call").length,
        replayable: agent.seed !== null,
        exit: { ...own.findLast(({ kind }) => kind === "exit") } as Record<string, unknown>,
      };
    }).map((agent) => ({ ...agent, exit: agent.exit.kind === undefined ? null : agent.exit }));
    const { stream } = params.lines ? ctx : { stream: null };
    if (params.lines && !stream) {
      throw new SyscallError(
        "unsupported",
        "Cannot give lines in protocol 1: they come as parts of a stream",
      );
    }
    if (stream) { for (const line of lines) await stream.write(line); }
    const snapshot = params.at === undefined
      ? null
      : snapshotAt(recording, agentIn(recording, params.agent), params.at);
    if (snapshot && JSON.stringify(snapshot).length > SNAPSHOT_BYTES) {
      throw new SyscallError(
        "limit",
        `Cannot show "${params.path}" at ${params.at}: it is too much for one answer`,
      );
    }
    return {
      header: { ...header },
      agents,
      complete: agents.every(({ exit }) => exit !== null) && !lines.some(({ kind }) => kind === "cut"),
      ...(snapshot ? { snapshot: { ...snapshot } as Record<string, unknown> } : {}),
    };
  },
});
