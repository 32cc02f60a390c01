/**
 * What a syscall is: one row with everything that is true of it. The table (`table.ts`) lists the rows; validation,
 * permission, audit, `sys.describe`, the SDK's typed methods, `docs/syscalls.md` and the MCP tools derive from them.
 *
 * @module
 */
import type { z } from "zod";
import type { Need } from "../permissions/mod.ts";
import type { Principal } from "./principals.ts";
import type { Services } from "./services.ts";

/** What a handler may use: who asks, on which connection, and the services of the kernel. */
export interface Context {
  readonly caller: Principal;
  readonly services: Services;
  /** The trace that goes on from here: the call's own span, else what the request brought; null without one. */
  readonly traceparent: string | null;
  /** Aborted when the client cancels or goes, or the deadline passes. Created on first use. */
  readonly signal: AbortSignal;
  /** The raw bytes that came with the request (protocol 2), or null. */
  readonly tail: Uint8Array | null;
  /** True when answers may carry raw bytes and streams: protocol 2. */
  readonly binary: boolean;
  /** Speak this protocol after the answer to this request; `clock`: the client has a virtual clock. For `sys.hello`. */
  agree(version: 1 | 2, clock?: boolean): void;
  /** Where a streaming row writes; null in protocol 1 and when the row does not stream. */
  readonly stream: StreamWriter | null;
  /** Refuses unless the caller holds it: throws `denied` with a receipt, audits it and emits SYSCALL_BLOCKED. */
  demand(need: Need): void;
  /** Opens the way for frames that the kernel starts, under this request's id; null in protocol 1. */
  subscribe(onClosed: () => void): PushWriter | null;
}

/** The parts of one streamed answer. */
export interface StreamWriter {
  /** Sends one part. Resolves when the client's credit allows the next; rejects when it cancelled or went. */
  write(json: unknown, tail?: Uint8Array): Promise<void>;
}

/** Frames that the kernel starts. */
export interface PushWriter {
  /** Sends one frame, or says false when the client's credit is used up (the caller keeps it and waits for `onReady`). */
  push(json: unknown): boolean;
  /** Called when credit came after `push` had said false. */
  onReady: (() => void) | null;
  /** Ends the subscription with a last frame. */
  close(): void;
}

/** Raw bytes beside a result: a BINARY tail in protocol 2. Rows answer with it only when `ctx.binary`. */
export class WithTail<R> {
  /** The JSON part. */
  readonly result: R;
  /** The bytes. */
  readonly tail: Uint8Array;

  /** Pairs the two. */
  constructor(result: R, tail: Uint8Array) {
    this.result = result;
    this.tail = tail;
  }
}

/** One row of the table. */
export interface Syscall<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  /** `family.verb`; also its file, its SDK method and its audit name. */
  readonly name: string;
  /** The short text of `opcode_name`, such as `READ`. */
  readonly wire: string;
  readonly opcode: number;
  readonly since: string;
  /** One sentence. */
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /** What the caller must hold, as far as the arguments alone tell; handlers `demand` the rest once they know it. */
  readonly needs?: (params: z.output<P>, caller: Principal) => readonly Need[];
  /** The original's words for a refusal, which stand before ours. */
  readonly phrase?: (need: Need, caller: Principal, now: number) => string;
  /** Which arguments the audit line keeps. Never secrets, never contents. */
  readonly record: (params: z.output<P>) => Record<string, unknown>;
  /** True when it is offered to language models over MCP. */
  readonly tool: boolean;
  /** True when `handle` may write parts to `ctx.stream`. `part` describes them. */
  readonly streams?: boolean;
  /** The shape of a streamed part or pushed frame, for documentation and types. */
  readonly part?: z.ZodType;
  /** What the raw bytes beside arguments, answer or parts are (protocol 2), for documentation and types. */
  readonly tail?: { readonly params?: string; readonly result?: string; readonly part?: string };
  /** True when the answer is sent as it is, without `success: true`. */
  readonly bare?: boolean;
  /** Keys that failures carry too, because the original's clients read them. */
  readonly failure?: Readonly<Record<string, unknown>>;
  /** Bytes in, bytes out: no JSON, no schema, no permission. For NOOP and EXIT. */
  readonly raw?: (payload: Uint8Array) => Uint8Array;
  /** What the original says of a payload that is no JSON; null: such a payload counts as `{}`. */
  readonly badJson?: string | null;
  /** Milliseconds; 0 is none (the row bounds itself). The default is `LIMITS.deadlineMs`. */
  readonly deadlineMs?: number;
  /** True when `async: true` (and an absent `async`, in protocol 1) means: answer at once, result by ASYNC_POLL. */
  readonly deferrable?: boolean;
  handle(
    ctx: Context,
    params: z.output<P>,
  ): z.input<R> | WithTail<z.input<R>> | Promise<z.input<R> | WithTail<z.input<R>>>;
}

/** Checks a row's types where it is written. */
export function defineSyscall<P extends z.ZodType, R extends z.ZodType>(row: Syscall<P, R>): Syscall<P, R> {
  return row;
}
