import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import type { Divergence } from "../../recording/replayer.ts";
import type { Replay } from "../../recording/replays.ts";
import type { ReplicaProgress } from "../../recording/replica.ts";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";

const body = z.object({
  opcode: z.int().describe("Which call."),
  name: z.string().describe("Such as `fs.read`."),
  params: z.unknown().optional().describe("Its arguments."),
  raw: z.string().optional().describe("Its bytes as base64, where they are no JSON."),
  tail: z.string().optional().describe("The raw bytes beside the arguments, as base64."),
});

/** Tells how a replay goes. */
export const replayStatus = defineSyscall({
  name: "replay.status",
  wire: "REPLAY_STATUS",
  opcode: 0x74,
  since: "0.1.0",
  summary: "Tells how a replay goes or went, and where it left its recording.",
  params: z.object({
    replay_id: z.int().min(1).optional()
      .describe("The replay of a file. Default: the replay of calls that replay.start began last."),
    wait: z.boolean().optional().describe("With `replay_id`: answer when it is over."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    state: z.enum(["idle", "running", "paused", "completed", "diverged", "stopped", "error"])
      .describe("How it stands."),
    active: z.boolean().describe("True while it runs."),
    total_entries: z.int().describe("Recorded calls."),
    current_entry: z.int().describe("Calls it has come past."),
    entries_replayed: z.int().describe("Calls that were made again."),
    entries_skipped: z.int().describe("Calls that were left out."),
    progress_percent: z.int().describe("0 to 100."),
    progress: z.number().describe("0 to 1."),
    errors: z.array(z.string()).describe("Answers that were others, and the divergence."),
    last_error: z.string().optional().describe("Why it failed; absent otherwise."),
    replay_id: z.int().optional().describe("Of the replay of a file."),
    agent_id: agentId("The agent that runs the program again.").optional(),
    diverged_at: z.int().nullable().optional().describe("Zero-based number of the recorded call, or null."),
    divergence: z.object({
      message: z.string().describe("`diverged at call N: …`."),
      expected: body.optional().describe("The recorded call; absent when there were no more."),
      actual: body.optional().describe("What was called instead; absent when the program ended."),
      differences: z.array(z.object({
        path: z.string().describe("Such as `params.value.n`."),
        expected: z.string().optional().describe("As JSON, long values cut; absent where there was nothing."),
        actual: z.string().optional().describe("As JSON, long values cut; absent where there is nothing."),
      })).describe("Where the two differ."),
    }).nullable().optional().describe("Where it left the recording, or null."),
    live: z.boolean().optional().describe("True once everything is real."),
    exit_code: z.int().nullable().optional().describe("How the program ended; null while it runs."),
    recorded_exit_code: z.int().nullable().optional().describe("How it ended when it was recorded."),
    output_differs: z.boolean().nullable().optional().describe("True when it wrote something else."),
    trace_sha256: z.string().optional().describe(
      "Over all calls it made and their arguments: equal runs are equal.",
    ),
  }),
  needs: () => [plainNeed("admin", "replay")],
  record: ({ replay_id }) => ({ replay_id }),
  tool: false,
  deadlineMs: 0,
  async handle(ctx, { replay_id, wait }) {
    const { entriesReplay, replays } = ctx.services;
    if (replay_id === undefined) return entriesStatus(entriesReplay.progress);
    const replay = replays.get(replay_id);
    if (!replay) {
      throw new SyscallError(
        "not_found",
        `Cannot tell about replay ${replay_id}: there is none, or it was forgotten`,
      );
    }
    if (wait) {
      const gone = Promise.withResolvers<void>();
      ctx.signal.addEventListener("abort", () => gone.resolve(), { once: true });
      await Promise.race([replay.done, gone.promise]);
    }
    return fileStatus(replay);
  },
});

function entriesStatus({ state, total, current, replayed, skipped, errors, lastError }: ReplicaProgress) {
  return {
    success: true as const,
    state,
    active: state === "running",
    total_entries: total,
    current_entry: current,
    entries_replayed: replayed,
    entries_skipped: skipped,
    ...progressOf(current, total),
    errors: [...errors],
    ...(lastError === "" ? {} : { last_error: lastError }),
  };
}

function fileStatus({ id, agent, replayer, state, divergence, exit, recordedExit, outputDiffers }: Replay) {
  return {
    success: true as const,
    state,
    active: exit === null,
    total_entries: replayer.total,
    current_entry: replayer.calls,
    entries_replayed: replayer.calls,
    entries_skipped: 0,
    ...progressOf(replayer.calls, replayer.total),
    errors: divergence ? [divergence.message] : [],
    replay_id: id,
    agent_id: agent.id,
    diverged_at: divergence?.at ?? null,
    divergence: divergence ? divergenceOf(divergence) : null,
    live: replayer.live,
    exit_code: exit?.code ?? null,
    recorded_exit_code: recordedExit?.code ?? null,
    output_differs: outputDiffers,
    trace_sha256: replayer.trace(),
  };
}

function divergenceOf({ message, expected, actual, differences }: Divergence) {
  return {
    message,
    ...(expected ? { expected } : {}),
    ...(actual ? { actual } : {}),
    differences: [...differences],
  };
}

function progressOf(current: number, total: number): { progress_percent: number; progress: number } {
  const progress = total === 0 ? 0 : Math.min(1, current / total);
  return { progress_percent: Math.floor(progress * 100), progress };
}
