import { z } from "zod";
import type { Agent } from "../../agents/agent.ts";
import type { OutputBatch, OutputChunk } from "../../agents/output.ts";
import { LIMITS } from "../../limits.ts";
import { type Context, defineSyscall, type StreamWriter } from "../../syscall.ts";
import { identityFields, stateFields, stateOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

const decoder = new TextDecoder();

const chunk = z.object({
  seq: z.int().describe("Its position; counts over all restarts."),
  stream: z.enum(["stdout", "stderr"]).describe("Where it was written; with a terminal always stdout."),
  time: z.number().describe("Epoch milliseconds at which it was read."),
  text: z.string().optional().describe(
    "As UTF-8, invalid bytes replaced. Absent where the bytes follow raw.",
  ),
});

/** Gives what an agent wrote, and follows it. */
export const agentOutput = defineSyscall({
  name: "agent.output",
  wire: "OUTPUT",
  opcode: 0x17,
  since: "0.1.0",
  summary:
    "Gives what an agent wrote to stdout and stderr, and in protocol 2 follows it until the agent has ended.",
  params: z.object({
    ...targetFields,
    since: z.int().min(0).optional().describe(
      "Begin after this position. Default 0: with the oldest that is kept.",
    ),
    tail_bytes: z.int().min(0).max(LIMITS.agentOutputBytes).optional()
      .describe("Begin so many bytes before the end; `since` wins."),
    follow: z.boolean().optional().describe("Go on until the agent has ended for good; protocol 2 only."),
    hold: z.boolean().optional().describe(
      "With `follow`: the agent waits for this reader, as for the far end of a pipe, and nothing is lost.",
    ),
    raw: z.boolean().optional().describe("Exact bytes beside each part instead of text; protocol 2 only."),
  }),
  result: z.object({
    ...identityFields,
    ...stateFields,
    chunks: z.array(chunk).describe("What there is, without a stream; with one it came as parts."),
    next: z.int().describe("`since` for the next call."),
    lost: z.int().describe("Chunks that were dropped before they could be given."),
    ended: z.boolean().describe("True when nothing more will come."),
  }),
  part: chunk.extend({
    lost: z.int().optional().describe("Chunks dropped before this one; absent when none."),
  }),
  tail: { part: "With `raw`, what was written." },
  streams: true,
  record: recordTarget,
  tool: true,
  deadlineMs: 0,
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, true);
    const { output } = agent;
    const since = params.since ?? (params.tail_bytes === undefined ? 0 : output.tail(params.tail_bytes));
    const { stream } = ctx;
    if (!stream) return answer(agent, output.read(since), since);
    let lost = 0;
    let next = since;
    const last = params.follow ? Infinity : output.lastSeq;
    const batches = params.follow ? output.follow(since, ctx.signal, params.hold) : kept(agent, since, last);
    for await (const batch of batches) {
      lost += batch.lost;
      next = await send(ctx, stream, batch, params.raw ?? false);
    }
    return { ...answer(agent, { chunks: [], lost: 0 }, next), lost };
  },
});

/** What was there when the request came; no more, even if the agent goes on writing. */
function* kept(agent: Agent, since: number, last: number): Generator<OutputBatch> {
  for (let at = since; at < last;) {
    const batch = agent.output.read(at);
    const seq = batch.chunks.at(-1)?.seq;
    if (seq === undefined) return;
    at = seq;
    yield batch;
  }
}

async function send(ctx: Context, stream: StreamWriter, batch: OutputBatch, raw: boolean): Promise<number> {
  let { lost } = batch;
  for (const part of batch.chunks) {
    const told = lost > 0 ? { lost } : {};
    if (raw && ctx.binary) await stream.write({ ...head(part), ...told }, part.bytes);
    else await stream.write({ ...head(part), text: decoder.decode(part.bytes), ...told });
    lost = 0;
  }
  return batch.chunks.at(-1)!.seq;
}

function head({ seq, stream, time }: OutputChunk): Pick<OutputChunk, "seq" | "stream" | "time"> {
  return { seq, stream, time };
}

function answer(agent: Agent, { chunks, lost }: OutputBatch, since: number) {
  const next = chunks.at(-1)?.seq ?? since;
  return {
    agent_id: agent.id,
    name: agent.name,
    ...stateOf(agent),
    chunks: chunks.map((part) => ({ ...head(part), text: decoder.decode(part.bytes) })),
    next,
    lost,
    ended: agent.output.ended && next >= agent.output.lastSeq,
  };
}
