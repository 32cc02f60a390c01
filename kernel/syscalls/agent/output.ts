import { z } from "zod";
import type { Agent } from "../../agents/agent.ts";
import type { OutputBatch, OutputChunk, OutputLog, OutputStream } from "../../agents/output.ts";
import { STATE_NAMES } from "../../agents/states.ts";
import { plainNeed } from "../../../permissions/mod.ts";
import { LIMITS } from "../../limits.ts";
import type { KeptChunk, OutputFiles, Owner } from "../../output/files.ts";
import { type Context, defineSyscall, type StreamWriter } from "../../syscall.ts";
import { identityFields, stateFields, stateOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

const decoder = new TextDecoder();
/** Text in one answer, where there is no stream. */
const ANSWER_CHARS = 64 * 1024;

const chunk = z.object({
  seq: z.int().describe("Its position; counts over all restarts. 0 for what an earlier agent wrote."),
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
    "Gives what an agent wrote to stdout and stderr, also after its kernel's end, and in protocol 2 follows it.",
  params: z.object({
    ...targetFields,
    since: z.int().min(0).optional().describe(
      "Begin after this position. Default 0: with the oldest that is kept.",
    ),
    tail_bytes: z.int().min(0).max(LIMITS.agentOutputBytes).optional()
      .describe("Begin so many bytes before the end; `since` wins."),
    since_time: z.number().min(0).optional().describe(
      "Begin with what was written at or after this time, in epoch milliseconds.",
    ),
    earlier: z.boolean().optional().describe(
      "First what is on disk of earlier agents of this name; for those who may manage them.",
    ),
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
    const { output: files } = ctx.services;
    const name = params.name ?? "";
    if (!(params.id || params.agent_id) && !ctx.services.agents.named(name) && files?.has(name)) {
      return await former(ctx, name, files, params);
    }
    const agent = managedAgent(ctx, params, true);
    const { stream } = ctx;
    if (params.earlier && stream && files?.has(agent.name)) {
      demandFormer(ctx, agent.name);
      await sendKept(ctx, stream, files.read(agent.name, agent.id), params);
    }
    const since = beginning(agent.output, params);
    if (!stream) return answer(agent, agent.output.read(since), since);
    let lost = 0;
    let next = since;
    const last = params.follow ? Infinity : agent.output.lastSeq;
    const batches = params.follow
      ? agent.output.follow(since, ctx.signal, params.hold)
      : kept(agent, since, last);
    for await (const batch of batches) {
      lost += batch.lost;
      next = await send(ctx, stream, batch, params.raw ?? false);
    }
    return { ...answer(agent, { chunks: [], lost: 0 }, next), lost };
  },
});

type Params = { since?: number; tail_bytes?: number; since_time?: number; raw?: boolean };

function beginning(output: OutputLog, { since, tail_bytes, since_time }: Params): number {
  if (since !== undefined) return since;
  const tail = tail_bytes === undefined ? 0 : output.tail(tail_bytes);
  return Math.max(tail, since_time === undefined ? 0 : output.before(since_time));
}

/** Whoever once had a name is nobody's child any more: only who administers may read what it wrote. */
function demandFormer(ctx: Context, name: string): void {
  if (ctx.caller.kind !== "operator") ctx.demand(plainNeed("admin", `agent/${name}`));
}

/** The output of an agent that this kernel does not know, from its files. */
async function former(ctx: Context, name: string, files: OutputFiles, params: Params) {
  demandFormer(ctx, name);
  const { stream } = ctx;
  const found = stream
    ? await sendKept(ctx, stream, files.read(name), params)
    : await lastKept(files.read(name), params);
  return {
    agent_id: found.owner?.id ?? 0,
    name,
    state: "stopped" as const,
    state_name: STATE_NAMES.stopped,
    chunks: found.chunks,
    next: 0,
    lost: found.lost,
    ended: true,
  };
}

interface Found {
  readonly owner: Owner | null;
  readonly chunks: { seq: 0; stream: OutputStream; time: number; text: string }[];
  /** Pieces that were left out. */
  readonly lost: number;
}

async function sendKept(
  ctx: Context,
  stream: StreamWriter,
  pieces: AsyncIterable<KeptChunk>,
  params: Params,
): Promise<Found> {
  let owner: Owner | null = null;
  let lost = 0;
  for await (const piece of wanted(pieces, params)) {
    owner = piece.owner ?? owner;
    const told = piece.lost > 0 ? { lost: ++lost } : {};
    const part = { seq: 0, stream: piece.stream, time: piece.time, ...told };
    if (params.raw && ctx.binary) await stream.write(part, piece.bytes);
    else await stream.write({ ...part, text: decoder.decode(piece.bytes) });
  }
  return { owner, chunks: [], lost };
}

/** For one answer that has to hold all of it: the last of it. */
async function lastKept(pieces: AsyncIterable<KeptChunk>, params: Params): Promise<Found> {
  const chunks: Found["chunks"] = [];
  let owner: Owner | null = null;
  let lost = 0;
  let chars = 0;
  for await (const { owner: whose, stream, time, bytes } of wanted(pieces, params)) {
    owner = whose ?? owner;
    const text = decoder.decode(bytes);
    chunks.push({ seq: 0, stream, time, text });
    chars += text.length;
    while (chars > ANSWER_CHARS && chunks.length > 1) {
      chars -= chunks.shift()!.text.length;
      lost++;
    }
  }
  return { owner, chunks, lost };
}

async function* wanted(pieces: AsyncIterable<KeptChunk>, params: Params): AsyncGenerator<KeptChunk> {
  const { since_time = 0, tail_bytes } = params;
  if (tail_bytes === undefined) {
    for await (const piece of pieces) if (piece.time >= since_time) yield piece;
    return;
  }
  const last: KeptChunk[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    if (piece.time < since_time) continue;
    last.push(piece);
    bytes += piece.bytes.byteLength;
    while (last.length > 0 && bytes > tail_bytes) bytes -= last.shift()!.bytes.byteLength;
  }
  yield* last;
}

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
