/**
 * The recording that RECORD_START begins: every call of everybody, or of some agents, kept in memory until it is
 * exported. The shape of its entries is the one that REPLAY_START takes.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { Answer } from "../dispatch.ts";
import type { Principal } from "../principals.ts";
import { rowOf } from "../table.ts";
import { type Redact, redactJson } from "./redact.ts";
import type { Tap, TappedCall } from "./tap.ts";
import { answerBody, callBody } from "./wire_lines.ts";

/** One call. Keys and units are the original's. */
export interface ExecutionEntry {
  readonly sequence_id: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly agent_id: number;
  readonly opcode: number;
  /** Such as `STORE`. */
  readonly opcode_name: string;
  /** The request as text. */
  readonly payload: string;
  /** The answer as text. */
  readonly response: string;
  readonly duration_us: number;
  readonly success: boolean;
}

/** What is kept. */
export interface ExecutionConfig {
  readonly max_entries: number;
  readonly include_think: boolean;
  readonly include_http: boolean;
  readonly include_exec: boolean;
  /** Numbers of agents; none means all. */
  readonly filter_agents: readonly number[];
}

/** What holds until somebody says otherwise. */
export const DEFAULT_EXECUTION_CONFIG: ExecutionConfig = {
  max_entries: 50_000,
  include_think: false,
  include_http: false,
  include_exec: false,
  filter_agents: [],
};

/** Characters of all entries together; past it the oldest are dropped, as past `max_entries`. */
const MOST_CHARS = 64 * 1024 * 1024;

/** Calls that only look, and the controls of recording itself. */
const NEVER: ReadonlySet<string> = new Set([
  "LIST",
  "GET_PERMS",
  "KEYS",
  "POLL_EVENTS",
  "METRICS_SYSTEM",
  "METRICS_AGENT",
  "METRICS_ALL_AGENTS",
  "METRICS_CGROUP",
  "GET_AUDIT_LOG",
  "TUNNEL_STATUS",
  "TUNNEL_LIST_REMOTES",
  "WORLD_LIST",
  "WORLD_STATE",
  "RECORD_START",
  "RECORD_STOP",
  "RECORD_STATUS",
  "REPLAY_START",
  "REPLAY_STATUS",
]);

interface Open {
  readonly agent: number;
  readonly opcode: number;
  readonly name: string;
  readonly payload: string;
  readonly startedAt: number;
}

/** Keeps the newest entries. */
export class ExecutionLog implements Tap {
  /** What holds for this recording and those that follow. */
  config: ExecutionConfig = DEFAULT_EXECUTION_CONFIG;
  /** Epoch milliseconds; null before the first recording. */
  startedAt: number | null = null;
  readonly #clock: Clock;
  readonly #redact: Redact;
  readonly #onChange: () => void;
  #recording = false;
  #entries: ExecutionEntry[] = [];
  #head = 0;
  #chars = 0;
  #sequence = 0;
  #open = new WeakMap<object, Map<number, Open>>();

  /** @param options `onChange` is told whenever it begins or ends. */
  constructor(options: { clock: Clock; redact: Redact; onChange: () => void }) {
    this.#clock = options.clock;
    this.#redact = options.redact;
    this.#onChange = options.onChange;
  }

  /** True between {@link start} and {@link stop}. */
  get recording(): boolean {
    return this.#recording;
  }

  /** Entries that are kept. */
  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** The number of the newest entry; 0 when there was none. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** Begins anew. False when it is recording already; the configuration has changed all the same. */
  start(config: Partial<ExecutionConfig>): boolean {
    this.config = { ...this.config, ...config };
    if (this.#recording) return false;
    this.#recording = true;
    this.#entries = [];
    this.#head = this.#chars = this.#sequence = 0;
    this.#open = new WeakMap();
    this.startedAt = this.#clock.now();
    this.#onChange();
    return true;
  }

  /** Ends it; the entries stay. False when nothing was recording. */
  stop(): boolean {
    if (!this.#recording) return false;
    this.#recording = false;
    this.#onChange();
    return true;
  }

  /** Entries after a number, oldest first. */
  entries(sinceId = 0, limit = Infinity): ExecutionEntry[] {
    const first = this.#entries[this.#head]?.sequence_id ?? 0;
    const from = this.#head + Math.max(0, sinceId + 1 - first);
    return this.#entries.slice(from, Math.min(this.#entries.length, from + limit));
  }

  /** See {@link Tap}. */
  called(connection: object, caller: Principal, id: number, call: TappedCall): void {
    const name = rowOf(call.opcode)?.wire;
    if (!this.#recording || name === undefined || !this.#wants(caller.id, name)) return;
    let open = this.#open.get(connection);
    if (!open) this.#open.set(connection, open = new Map());
    const { params, raw } = callBody(call, this.#redact);
    open.set(id, {
      agent: caller.id,
      opcode: call.opcode,
      name,
      payload: raw === undefined ? JSON.stringify(params) : atob(raw),
      startedAt: this.#clock.monotonic(),
    });
  }

  /** See {@link Tap}. */
  cancelled(): void {
    // Its answer tells.
  }

  /** See {@link Tap}. */
  answering(connection: object, id: number, answer: Answer): null {
    const open = this.#open.get(connection);
    const call = open?.get(id);
    if (!call) return null;
    open!.delete(id);
    if (!this.#recording) return null;
    const { raw } = answerBody(answer, this.#redact);
    this.#add({
      sequence_id: ++this.#sequence,
      timestamp: new Date(this.#clock.now()).toISOString(),
      agent_id: call.agent,
      opcode: call.opcode,
      opcode_name: call.name,
      payload: call.payload,
      response: raw === undefined ? JSON.stringify(redactJson(answer.json, this.#redact)) : atob(raw),
      duration_us: Math.round((this.#clock.monotonic() - call.startedAt) * 1_000),
      success: answer.outcome === "ok",
    });
    return null;
  }

  /** See {@link Tap}. */
  pushing(): null {
    return null;
  }

  /** See {@link Tap}. */
  timeOf(): null {
    return null;
  }

  #wants(agent: number, name: string): boolean {
    const { filter_agents, include_think, include_http, include_exec } = this.config;
    if (NEVER.has(name) || (filter_agents.length > 0 && !filter_agents.includes(agent))) return false;
    return (name !== "THINK" || include_think) && (name !== "HTTP" || include_http) &&
      (name !== "EXEC" || include_exec);
  }

  #add(entry: ExecutionEntry): void {
    this.#entries.push(entry);
    this.#chars += charsOf(entry);
    while (this.length > this.config.max_entries || (this.#chars > MOST_CHARS && this.length > 1)) {
      this.#chars -= charsOf(this.#entries[this.#head++]!);
    }
    if (this.#head > 1_024 && this.#head > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}

function charsOf({ payload, response }: ExecutionEntry): number {
  return payload.length + response.length;
}
