/**
 * How an agent ended, or how it is doing: put together from its record, the audit log and its output.
 *
 * @module
 */
import type { Agent } from "../agents/agent.ts";
import type { Exit, Limits } from "../agents/launch.ts";
import type { OutputStream } from "../agents/output.ts";
import { isFinal } from "../agents/states.ts";
import type { AuditQuery } from "../audit/audit.ts";
import { factsOf } from "../metrics/metrics.ts";
import type { KeptChunk } from "../output/files.ts";
import type { Services } from "../services.ts";
import type { JournalCall } from "./journal.ts";

/** Something that happened to it. */
export interface Happening {
  /** Epoch milliseconds. */
  readonly time: number;
  readonly event: string;
  readonly details: Record<string, unknown>;
}

/** A refused need. */
export interface Denial {
  readonly time: number;
  readonly syscall: string;
  readonly need: string;
  readonly rule: string;
  /** How often it came again, when it did. */
  readonly repeated: number;
}

/** A line of its output. */
export interface OutputLine {
  readonly stream: OutputStream;
  readonly time: number;
  readonly text: string;
}

/** What is told. */
export interface PostMortem {
  readonly agent_id: number;
  readonly name: string;
  /** Null: it was another kernel's, only the audit log and the output files know it. */
  readonly agent: Agent | null;
  /** One sentence. */
  readonly why: string;
  readonly exit: Exit | null;
  readonly limits: Limits | null;
  /** The most memory it held, in bytes; null when nobody measured it. */
  readonly peakMemory: number | null;
  readonly cpuMs: number | null;
  readonly restarts: number;
  readonly calls: readonly JournalCall[];
  readonly denials: readonly Denial[];
  readonly history: readonly Happening[];
  readonly output: readonly OutputLine[];
}

/** How much of each list is told. */
export interface Amounts {
  readonly calls: number;
  readonly lines: number;
}

/** Lines of the log that are told, and how many are looked through for them. */
const HISTORY = 20;
const DENIALS = 10;
const DENIALS_READ = 200;
/** Output is cut into lines from so much of its end. */
const TAIL_BYTES = 64 * 1024;
const LINE_CHARS = 500;

const decoder = new TextDecoder();

/** An agent that this kernel knows, alive or ended. */
export async function examineAgent(services: Services, agent: Agent, amounts: Amounts): Promise<PostMortem> {
  const { audit, journal } = services;
  const mine = { agent_id: agent.id, since_id: audit.before };
  const [history, denials] = await Promise.all([historyOf(services, mine), denialsOf(services, mine)]);
  const usage = agent.exit?.usage ?? null;
  const live = agent.process ? services.metrics.agent(factsOf(agent)) : null;
  const since = agent.output.tail(TAIL_BYTES);
  const chunks = [];
  for (let at = since;;) {
    const batch = agent.output.read(at);
    const last = batch.chunks.at(-1);
    if (!last) break;
    chunks.push(...batch.chunks);
    at = last.seq;
  }
  return {
    agent_id: agent.id,
    name: agent.name,
    agent,
    why: sentence(agent, services, history),
    exit: agent.exit,
    limits: agent.limits,
    peakMemory: live
      ? Math.max(live.cgroup?.memory.peak ?? 0, live.memory_bytes, usage?.max_rss ?? 0)
      : usage?.max_rss ?? null,
    cpuMs: live
      ? live.process.cpu.time_user_ms + live.process.cpu.time_system_ms
      : usage && usage.user_ms + usage.system_ms,
    restarts: agent.restartCount,
    calls: journal.of(agent.principal, amounts.calls),
    denials,
    history,
    output: lastLines(chunks, amounts.lines),
  };
}

/** An agent of an earlier kernel, by its name; null when nothing is known of it. */
export async function examineFormer(
  services: Services,
  name: string,
  amounts: Amounts,
): Promise<PostMortem | null> {
  const { lines } = await services.audit.query({ agent_name: name, limit: 1 });
  const last = lines.at(-1);
  const id = last?.agent_id;
  const chunks: KeptChunk[] = [];
  if (services.output?.has(name)) {
    for await (const chunk of services.output.read(name)) {
      if (id !== undefined && chunk.owner && chunk.owner.id !== id) continue;
      chunks.push(chunk);
      if (chunks.length > 1_000) chunks.splice(0, 500);
    }
  }
  if (id === undefined && chunks.length === 0) return null;
  const mine = id === undefined ? null : { agent_id: id, agent_name: name };
  const history = mine ? await historyOf(services, mine) : [];
  const end = history.findLast(({ event }) => event === "AGENT_EXITED" || event === "AGENT_KILLED");
  const exit = end ? exitFrom(end.details) : null;
  const number = (key: string): number | null =>
    typeof end?.details[key] === "number" ? end.details[key] as number : null;
  return {
    agent_id: id ?? chunks.at(-1)?.owner?.id ?? 0,
    name,
    agent: null,
    why: exit
      ? ended(exit, null)
      : "belonged to a kernel that ended without stopping it: how it ended is not known",
    exit,
    limits: null,
    peakMemory: number("max_rss"),
    cpuMs: number("cpu_ms"),
    restarts: history.filter(({ event }) => event === "AGENT_RESTARTING").length,
    calls: [],
    denials: mine ? await denialsOf(services, mine) : [],
    history,
    output: lastLines(chunks, amounts.lines),
  };
}

type Mine = Pick<AuditQuery, "agent_id" | "agent_name" | "since_id">;

async function historyOf({ audit }: Services, mine: Mine): Promise<Happening[]> {
  const [life, resource] = await Promise.all([
    audit.query({ ...mine, category: "AGENT_LIFECYCLE", limit: HISTORY }),
    audit.query({ ...mine, category: "RESOURCE", limit: HISTORY }),
  ]);
  return [...life.lines, ...resource.lines].sort((a, b) => a.id - b.id).slice(-HISTORY).map((line) => ({
    time: line.at,
    event: line.event_type,
    details: JSON.parse(line.details),
  }));
}

async function denialsOf({ audit }: Services, mine: Mine): Promise<Denial[]> {
  const { lines } = await audit.query({ ...mine, category: "SECURITY", success: false, limit: DENIALS_READ });
  const byNeed = new Map<string, Denial>();
  for (const { at, event_type, details } of lines) {
    const { syscall = "", need, rule = "", repeated = 0 } = JSON.parse(details) as Record<string, never>;
    const what = String(need ?? event_type);
    const before = byNeed.get(what);
    byNeed.delete(what);
    // Each line is one, unless it tells how many followed one that has a line already.
    const count = (before ? before.repeated + 1 : 0) + Math.max(0, Number(repeated) - 1);
    byNeed.set(what, { time: at, syscall: String(syscall), need: what, rule: String(rule), repeated: count });
  }
  const pending = mine.agent_name === undefined ? audit.repeatsOf(mine.agent_id!) : new Map<string, number>();
  return [...byNeed.values()].slice(-DENIALS).map((denial) => {
    return { ...denial, repeated: denial.repeated + (pending.get(denial.need) ?? 0) };
  });
}

/** Pieces of output as lines, the last `most` of them. */
function lastLines(
  chunks: readonly { readonly stream: OutputStream; readonly time: number; readonly bytes: Uint8Array }[],
  most: number,
): OutputLine[] {
  const lines: OutputLine[] = [];
  const open: Partial<Record<OutputStream, OutputLine>> = {};
  for (const { stream, time, bytes } of chunks) {
    const [first, ...rest] = decoder.decode(bytes).split("\n");
    const begun = open[stream] ?? { stream, time, text: "" };
    let current = { ...begun, text: (begun.text + first!).slice(0, LINE_CHARS) };
    for (const text of rest) {
      lines.push(current);
      current = { stream, time, text: text.slice(0, LINE_CHARS) };
    }
    if (current.text === "") delete open[stream];
    else open[stream] = current;
    if (lines.length > 4 * most + 64) lines.splice(0, lines.length - most);
  }
  lines.push(...Object.values(open));
  return lines.slice(-most);
}

function sentence(agent: Agent, { principals, agents }: Services, history: readonly Happening[]): string {
  const { state, exit, killedBy } = agent;
  if (!isFinal(state)) {
    if (exit && !agent.process) return `waits for its restart: its last run ${ended(exit, null)}`;
    const before = exit ? `, after ${times(agent.restartCount)}; its run before ${ended(exit, null)}` : "";
    return `is ${state}${before}`;
  }
  const by = killedBy === null
    ? null
    : killedBy === 0
    ? "the kernel, which was stopping"
    : principals.get(killedBy)?.label ?? agents.get(killedBy)?.principal.label ?? `number ${killedBy}`;
  const escalated = history.findLast(({ event }) => event === "AGENT_ESCALATED");
  const gaveUp = escalated ? `; given up after ${times(Number(escalated.details.restart_count))}` : "";
  return exit ? `${ended(exit, by)}${gaveUp}` : `is ${state}`;
}

function times(restarts: number): string {
  return restarts === 1 ? "1 restart" : `${restarts} restarts`;
}

function ended(exit: Exit, by: string | null): string {
  const after = `after ${(exit.duration_ms / 1000).toFixed(exit.duration_ms < 10_000 ? 1 : 0)} s`;
  return `${by === null ? "" : `was stopped by ${by}: `}${exit.cause} ${after}`;
}

const REASONS = ["exited", "killed", "oom", "crashed"] as const;

function exitFrom({ exit_code, signal, reason, cause, duration_ms }: Record<string, unknown>): Exit {
  return {
    code: Number(exit_code),
    signal: typeof signal === "string" ? signal : null,
    reason: REASONS.find((known) => known === reason) ?? "exited",
    cause: String(cause),
    duration_ms: Number(duration_ms),
    usage: null,
  };
}
