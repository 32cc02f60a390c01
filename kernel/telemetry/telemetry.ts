/**
 * Spans for syscalls and agents. There is no such object unless `OTEL_DENO` is set, so nobody else pays for it.
 *
 * A trace reads: an operator's `agent.spawn`, in it the agent's life (`invoke_agent NAME`), in that its runs and its
 * syscalls. What travels on is `traceparent`: in messages, in the environment of agents, in HTTP headers.
 *
 * @module
 */
import type { Agent, AgentNews } from "../agents/agent.ts";
import type { Answer } from "../dispatch.ts";
import type { Principal } from "../principals.ts";
import type { Syscall } from "../syscall.ts";
import { type Attributes, KIND, type Span, Spans } from "./spans.ts";
import { parseTraceparent } from "./trace_context.ts";

/** One syscall's span. */
export interface CallSpan {
  /** For what the call passes on. */
  readonly traceparent: string;
  end(answer: Answer): void;
}

interface Lived {
  readonly span: Span;
  /** The run under way. */
  run: Span | null;
}

/** Makes the spans of one kernel. */
export class Telemetry {
  readonly #spans: Spans;
  /** Lives that have no agent yet, by what stands in the environment of theirs. */
  readonly #unborn = new Map<string, Span>();
  /** The life that a call of SPAWN began, by the call's own place: it ends with a call that fails. */
  readonly #begun = new Map<string, string>();
  readonly #lives = new WeakMap<Principal, Lived>();

  /** @param version Of the kernel. */
  constructor(version: string) {
    this.#spans = new Spans(version);
  }

  /**
   * A call begins.
   *
   * @param traceparent As the request brought it, or null: the call then belongs to its agent's life.
   */
  call(row: Syscall, caller: Principal, traceparent: string | null): CallSpan {
    const parent = parseTraceparent(traceparent) ?? this.#lives.get(caller)?.span.context ?? null;
    const span = this.#spans.start(row.name, KIND.server, parent, attributesOf(row, caller));
    return {
      traceparent: span.traceparent,
      end: (answer) => {
        const error = answer.outcome === "ok" ? null : answer.outcome;
        this.#settle(span.traceparent, error);
        span.end(usageOf(row, answer), error);
      },
    };
  }

  /**
   * An agent is about to be spawned.
   *
   * @param traceparent Of the call that spawns it.
   * @returns What stands in the agent's environment as TRACEPARENT: its life, until it has ended for good.
   */
  life(name: string | undefined, traceparent: string | null): string {
    const parent = parseTraceparent(traceparent);
    const span = this.#spans.start(`invoke_agent ${name ?? ""}`.trimEnd(), KIND.internal, parent, {
      "gen_ai.operation.name": "invoke_agent",
      ...(name === undefined ? {} : { "gen_ai.agent.name": name }),
    });
    this.#unborn.set(span.traceparent, span);
    if (traceparent !== null) this.#begun.set(traceparent, span.traceparent);
    return span.traceparent;
  }

  /** A call is over: the life it began has its agent by now, or will never have one. */
  #settle(call: string, error: string | null): void {
    const life = this.#begun.get(call);
    if (life === undefined) return;
    this.#begun.delete(call);
    const span = this.#unborn.get(life);
    if (!span) return;
    this.#unborn.delete(life);
    span.end({}, error ?? "unborn");
  }

  /** An agent is there, and starts now. */
  born(agent: Agent, traceparent: string): void {
    const span = this.#unborn.get(traceparent);
    if (!span) return;
    this.#unborn.delete(traceparent);
    const lived: Lived = { span, run: null };
    this.#lives.set(agent.principal, lived);
    this.#begin(agent, lived);
    agent.finished.then((exit) => {
      lived.run?.end({}, null);
      span.end({
        "gen_ai.agent.name": agent.name,
        "gen_ai.agent.id": String(agent.id),
        "clove.agent.restarts": agent.restartCount,
        "clove.exit.cause": exit.cause,
        "process.exit.code": exit.code,
      }, exit.code === 0 || exit.reason === "killed" ? null : exit.reason);
    });
  }

  /** Something happened to an agent. */
  happened(agent: Agent, what: AgentNews, data: Readonly<Record<string, unknown>>): void {
    const lived = this.#lives.get(agent.principal);
    if (!lived) return;
    if (what === "AGENT_EXITED") {
      const { code, cause, reason } = agent.exit!;
      const failed = code !== 0 && reason !== "killed";
      lived.run?.end({ "process.exit.code": code, "clove.exit.cause": cause }, failed ? reason : null);
      lived.run = null;
    } else if (what === "AGENT_SPAWNED") {
      if (!lived.run) this.#begin(agent, lived);
    } else lived.span.event(what, plain(data));
  }

  #begin(agent: Agent, lived: Lived): void {
    lived.run = this.#spans.start("agent run", KIND.internal, lived.span.context, {
      ...identity(agent.principal),
      "clove.agent.restart": agent.restartCount,
    });
  }
}

function identity({ id, name }: Principal): Attributes {
  return { "clove.agent.id": id, "clove.agent.name": name };
}

/** The conventions' words for what is known: https://opentelemetry.io/docs/specs/semconv/gen-ai/. */
function attributesOf(row: Syscall, caller: Principal): Attributes {
  const dot = row.name.indexOf(".");
  return {
    "rpc.system": "clove",
    "rpc.service": row.name.slice(0, dot),
    "rpc.method": row.name.slice(dot + 1),
    "clove.caller.kind": caller.kind,
    ...identity(caller),
    ...genAi(row, caller),
  };
}

function genAi(row: Syscall, caller: Principal): Attributes {
  if (row.name === "llm.think") return { "gen_ai.operation.name": "chat" };
  if (row.name === "agent.spawn") return { "gen_ai.operation.name": "create_agent" };
  if (caller.kind === "operator" || !row.tool) return {};
  return {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": row.name,
    "gen_ai.tool.type": "function",
    "gen_ai.agent.id": String(caller.id),
    "gen_ai.agent.name": caller.name,
  };
}

/** What a model's answer tells of itself. Never what it says. */
function usageOf(row: Syscall, { json }: Answer): Attributes {
  if (row.name !== "llm.think" || typeof json !== "object" || json === null) return {};
  const { model, tokens, input_tokens, output_tokens } = json as Record<string, unknown>;
  return {
    ...(typeof model === "string" ? { "gen_ai.response.model": model } : {}),
    ...(typeof tokens === "number" ? { "clove.llm.tokens": tokens } : {}),
    ...(typeof input_tokens === "number" ? { "gen_ai.usage.input_tokens": input_tokens } : {}),
    ...(typeof output_tokens === "number" ? { "gen_ai.usage.output_tokens": output_tokens } : {}),
  };
}

function plain(data: Readonly<Record<string, unknown>>): Attributes {
  const known = Object.entries(data).filter(([, value]) =>
    ["string", "number", "boolean"].includes(typeof value)
  );
  return Object.fromEntries(known.map(([key, value]) => [`clove.${key}`, value as string]));
}
