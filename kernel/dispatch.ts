/**
 * One way in. Every request of every transport passes {@link Dispatcher.run}, top to bottom: find the row, parse,
 * weigh, run with a deadline, check the reply, record.
 *
 * @module
 */
import { type ErrorCode, SyscallError } from "@clove/sdk/protocol";
import { askFor, formatNeed, type Need } from "../permissions/mod.ts";
import { concerns } from "./events.ts";
import { LIMITS } from "./limits.ts";
import type { Principal } from "./principals.ts";
import type { Tap } from "./recording/tap.ts";
import { type RawRequest, readParams, readRequest } from "./schema.ts";
import type { Services } from "./services.ts";
import type { CallSpan, Telemetry } from "./telemetry/telemetry.ts";
import { parseTraceparent } from "./telemetry/trace_context.ts";
import { type Context, type PushWriter, type StreamWriter, type Syscall, WithTail } from "./syscall.ts";
import { RESERVED, rowOf, UNKNOWN } from "./table.ts";

/** What goes back: JSON, with raw bytes or without, or bytes as they are. */
export interface Answer {
  readonly json?: unknown;
  readonly tail?: Uint8Array;
  readonly raw?: Uint8Array;
  /** What happened, for whoever counts. */
  readonly outcome: "ok" | ErrorCode;
}

/** One request, from whatever transport. */
export interface Request {
  readonly opcode: number;
  readonly payload: Uint8Array;
  /** True when the payload has a BINARY tail. */
  readonly binary: boolean;
  readonly caller: Principal;
  readonly connection: Channel;
  /** The request's number in protocol 2, 0 in protocol 1. */
  readonly id: number;
}

/** What the dispatcher asks of a connection. */
export interface Channel {
  readonly version: 1 | 2;
  /** Speak this protocol after the answer to the current request; `clock`: the client has a virtual clock. */
  agree(version: 1 | 2, clock?: boolean): void;
  openStream(request: Request, signal: AbortSignal): StreamWriter | null;
  openPush(request: Request, onClosed: () => void): PushWriter | null;
  /** Tells how to stop a request that goes on. */
  onCancel(request: Request, cancel: (reason: SyscallError) => void): void;
}

/** Told of every finished call, for metrics, audit and recordings. */
export interface Observer {
  finished(call: {
    readonly row: Syscall;
    readonly caller: Principal;
    readonly params: unknown;
    readonly answer: Answer;
    readonly startedAt: number;
    readonly durationMs: number;
  }): void;
}

const PHRASES: Readonly<Record<string, string>> = {
  "fs.read": "path not allowed for reading",
  "fs.write": "path not allowed for writing",
  exec: "command not allowed",
  "exec.shell": "command not allowed",
};

/** The state of one request while it is handled; what handlers see as their context. */
class Call implements Context {
  readonly caller: Principal;
  readonly services: Services;
  readonly tail: Uint8Array | null;
  readonly request: Request;
  readonly row: Syscall;
  /** Null where there is no telemetry. */
  span: CallSpan | null = null;
  traceparent: string | null = null;
  #abort: AbortController | null = null;
  #aborted: SyscallError | null = null;
  #stream: StreamWriter | null | undefined;

  constructor(services: Services, request: Request, row: Syscall, tail: Uint8Array | null) {
    this.services = services;
    this.caller = request.caller;
    this.request = request;
    this.row = row;
    this.tail = tail;
  }

  get binary(): boolean {
    return this.request.connection.version === 2;
  }

  get version(): 1 | 2 {
    return this.request.connection.version;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#aborted) this.#abort.abort(this.#aborted);
    }
    return this.#abort.signal;
  }

  get stream(): StreamWriter | null {
    if (!this.row.streams) return null;
    this.#stream ??= this.request.connection.openStream(this.request, this.signal);
    return this.#stream;
  }

  agree(version: 1 | 2, clock?: boolean): void {
    this.request.connection.agree(version, clock);
  }

  subscribe(onClosed: () => void): PushWriter | null {
    return this.request.connection.openPush(this.request, onClosed);
  }

  abort(reason: SyscallError): void {
    this.#aborted ??= reason;
    this.#abort?.abort(reason);
  }

  demand(need: Need): void {
    const { caller, services, row } = this;
    const verdict = caller.authority.weigh(need, services.clock.now());
    if (verdict.allowed) return;
    caller.counts.denials++;
    const { receipt } = verdict;
    const ask = askFor(receipt, caller.name || String(caller.id));
    const details = { syscall: row.name, need: receipt.need, rule: receipt.rule };
    services.audit.write({
      category: "SECURITY",
      event_type: "SYSCALL_BLOCKED",
      agent_id: caller.id,
      agent_name: caller.name,
      success: false,
      details,
    });
    services.events.emit(
      "SYSCALL_BLOCKED",
      { agent_id: caller.id, syscall: row.name, reason: verdict.reason, target: formatNeed(need) },
      caller.id,
      concerns(caller),
    );
    const phrase = row.phrase?.(need, caller, services.clock.now()) ?? PHRASES[need.capability];
    const text = phrase
      ? `Permission denied: ${phrase}: ${verdict.reason}`
      : `Permission denied: ${verdict.reason}`;
    throw new SyscallError(verdict.quota ? "quota" : "denied", text, { receipt: { ...receipt, ask } });
  }
}

/** Runs requests against the table. */
export class Dispatcher {
  readonly #services: Services;
  #observers: readonly Observer[] = [];
  /** Who records; connections tell it of every frame. */
  tap: Tap | null = null;
  /** Makes the spans; null unless telemetry was asked for. */
  telemetry: Telemetry | null = null;

  /** @param services What handlers get. */
  constructor(services: Services) {
    this.#services = services;
  }

  /** Adds someone who is told of every finished call. Returns the undo. */
  observe(observer: Observer): () => void {
    this.#observers = [...this.#observers, observer];
    return () => {
      this.#observers = this.#observers.filter((each) => each !== observer);
    };
  }

  /** Answers one request. Never throws and never rejects: a failure is an answer. */
  run(request: Request): Answer | Promise<Answer> {
    const { caller } = request;
    caller.counts.syscalls++;
    const row = rowOf(request.opcode);
    if (!row) return this.#told(UNKNOWN, request, failure(unknownOpcode(request.opcode), undefined));
    if (row.raw) return this.#told(row, request, { raw: row.raw(request.payload), outcome: "ok" });
    const startedAt = this.#services.clock.monotonic();
    let params: unknown;
    let call: Call | undefined;
    try {
      const { json, tail } = readLeniently(row, request);
      call = new Call(this.#services, request, row, tail);
      call.traceparent = traceparentOf(json);
      if (this.telemetry) {
        call.span = this.telemetry.call(row, caller, call.traceparent);
        call.traceparent = call.span.traceparent;
      }
      params = readParams(row.params, json);
      for (const need of row.needs?.(params, caller) ?? []) call.demand(need);
      if (row.deferrable && wantsDeferral(params, request.connection.version)) {
        const { span } = call;
        // Its span goes on until its result is there.
        call.span = null;
        return this.#finish(row, request, params, startedAt, this.#defer(row, call, params, span));
      }
      const result = row.handle(call, params);
      if (result instanceof Promise) return this.#settle(row, call, params, startedAt, result);
      return this.#finish(row, request, params, startedAt, this.#reply(row, result), call.span);
    } catch (error) {
      return this.#finish(row, request, params, startedAt, this.#fail(row, request, error), call?.span);
    }
  }

  /** Waits for a handler, its deadline, or the client's cancellation; whichever is first answers. */
  #settle(
    row: Syscall,
    call: Call,
    params: unknown,
    startedAt: number,
    result: Promise<unknown>,
  ): Promise<Answer> {
    return new Promise((resolve) => {
      let open = true;
      const close = (answer: Answer): void => {
        if (!open) return;
        open = false;
        cancelTimer?.();
        resolve(this.#finish(row, call.request, params, startedAt, answer, call.span));
      };
      const stop = (reason: SyscallError): void => {
        // First the answer, then the abort: what the handler throws because of it is no news.
        close(this.#fail(row, call.request, reason));
        call.abort(reason);
      };
      const deadline = row.deadlineMs ?? LIMITS.deadlineMs;
      const cancelTimer = deadline > 0
        ? this.#services.clock.timer(deadline, () => {
          stop(
            new SyscallError("timeout", `Cannot finish ${row.name} within ${deadline} ms, it was stopped`),
          );
        })
        : null;
      call.request.connection.onCancel(call.request, stop);
      result.then(
        (value) => close(this.#reply(row, value)),
        (error) => close(this.#fail(row, call.request, error)),
      );
    });
  }

  /** Starts a call beside the connection; its answer is polled. */
  #defer(row: Syscall, call: Call, params: unknown, span: CallSpan | null): Answer {
    const wanted = (params as { request_id?: number }).request_id ?? 0;
    const { caller } = call;
    const id = this.#services.asyncResults.start(
      caller,
      { wanted, opcode: row.opcode, name: row.wire },
      (signal) => {
        signal.addEventListener(
          "abort",
          () => call.abort(new SyscallError("cancelled", "The caller went away")),
        );
        const answer = Promise.resolve().then(() => row.handle(call, params)).then(
          (value) => this.#reply(row, value),
          (error) => this.#fail(row, call.request, error),
        );
        return answer.then((answer) => {
          span?.end(answer);
          return answer.json as Record<string, unknown>;
        });
      },
    );
    return { json: { success: true, async: true, request_id: id, status: "accepted" }, outcome: "ok" };
  }

  #reply(row: Syscall, value: unknown): Answer {
    const tail = value instanceof WithTail ? value.tail : undefined;
    const result = value instanceof WithTail ? value.result : value;
    // Replies are checked too: a handler that drifts should fail here, not in an agent.
    const checked = row.result.safeParse(result);
    if (!checked.success) {
      this.#services.log.error("a reply does not match its schema", {
        syscall: row.name,
        problem: checked.error.message,
      });
      return failure(new SyscallError("internal", `Cannot answer ${row.name}: its reply was malformed`), row);
    }
    const json = row.bare || (result as Record<string, unknown>).success !== undefined
      ? result
      : { success: true, ...(result as Record<string, unknown>) };
    return { json, tail, outcome: "ok" };
  }

  #fail(row: Syscall, request: Request, error: unknown): Answer {
    if (error instanceof SyscallError) return failure(error, row);
    this.#services.log.error("a syscall failed", {
      syscall: row.name,
      caller: request.caller.id,
      cause: error,
    });
    return failure(
      new SyscallError("internal", `Cannot finish ${row.name}: the kernel's log has the cause`),
      row,
    );
  }

  #finish(
    row: Syscall,
    request: Request,
    params: unknown,
    startedAt: number,
    answer: Answer,
    span?: CallSpan | null,
  ): Answer {
    span?.end(answer);
    if (this.#observers.length > 0) {
      const durationMs = this.#services.clock.monotonic() - startedAt;
      for (const observer of this.#observers) {
        observer.finished({ row, caller: request.caller, params, answer, startedAt, durationMs });
      }
    }
    return answer;
  }

  /** For calls that are over at once: they have no arguments but their bytes. */
  #told(row: Syscall, request: Request, answer: Answer): Answer {
    this.telemetry?.call(row, request.caller, null).end(answer);
    if (this.#observers.length === 0) return answer;
    const startedAt = this.#services.clock.monotonic();
    const call = { row, caller: request.caller, params: request, answer, startedAt, durationMs: 0 };
    for (const observer of this.#observers) observer.finished(call);
    return answer;
  }
}

/** The original has its own words for a payload that is no JSON, or does without it. */
function readLeniently(row: Syscall, request: Request): RawRequest {
  try {
    return readRequest(request.payload, request.binary);
  } catch (error) {
    if (row.badJson === undefined || !(error instanceof SyscallError)) throw error;
    if (row.badJson === null) return { json: {}, tail: null };
    throw new SyscallError("bad_request", `${row.badJson}: ${error.message}`);
  }
}

/** Any request may say which trace it belongs to. */
function traceparentOf(json: unknown): string | null {
  const text = (json as { traceparent?: unknown } | null)?.traceparent;
  return text !== undefined && parseTraceparent(text) ? text as string : null;
}

function failure(error: SyscallError, row: Syscall | undefined): Answer {
  const json: Record<string, unknown> = {
    success: false,
    ...row?.failure,
    error: error.message,
    code: error.code,
    ...error.details,
  };
  if (error.receipt) json.receipt = error.receipt;
  return { json, outcome: error.code };
}

function unknownOpcode(opcode: number): SyscallError {
  const hex = `0x${opcode.toString(16).padStart(2, "0")}`;
  const reserved = RESERVED.get(opcode);
  if (reserved) {
    return new SyscallError("unavailable", `Cannot run ${reserved} (${hex}): this kernel does not offer it`);
  }
  return new SyscallError(
    "unsupported",
    `unknown opcode ${hex}: Cannot run it, sys.describe lists what there is`,
  );
}

/** The original's default is asynchronous; in protocol 2 a request says so when it wants it. */
function wantsDeferral(params: unknown, version: 1 | 2): boolean {
  return (params as { async?: boolean }).async ?? version === 1;
}
