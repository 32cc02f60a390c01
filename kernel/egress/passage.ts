/**
 * One way out: asked for, resolved, connected, watched while it is open, and reported.
 *
 * The HTTP client and the proxy both go through here, so there is one place where a connection is made and one order
 * in which questions are asked: the name, its addresses, and the name and address again once connected.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Receipt, Verdict } from "../../permissions/mod.ts";
import { HeadError } from "./bytes.ts";
import { connectChecked } from "./connect.ts";
import type { Decision, OnDecision } from "./decision.ts";
import { EgressError, reasonOf } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { HttpSyntaxError } from "./http1.ts";
import type { EgressLimits } from "./limits.ts";
import type { Resolver } from "./resolve.ts";
import type { Target } from "./target.ts";

/** What a passage is made of. */
export interface PassageOptions {
  /** The agent's number. */
  readonly agent: number;
  /** What it is for. */
  readonly kind: Decision["kind"];
  /** Where to. */
  readonly target: Target;
  /** The HTTP method; null for a tunnel. */
  readonly method: string | null;
  /** Who decides. */
  readonly gate: Gate;
  /** Resolves the target's host. */
  readonly resolver: Resolver;
  /** Its bounds. */
  readonly limits: EgressLimits;
  /** Certificates (PEM) to trust beside the usual ones. */
  readonly ca?: readonly string[];
  /** Receives the report. */
  readonly onDecision?: OnDecision;
}

/** See above. Every passage ends in one call of {@link finish} or {@link fail}, however it went. */
export class Passage {
  /** Bytes of body or tunnel from the agent. */
  bytesUp = 0;
  /** Bytes of body or tunnel to the agent. */
  bytesDown = 0;
  /** The response's status, once there is one. */
  status: number | null = null;
  readonly #options: PassageOptions;
  readonly #startMs = performance.now();
  readonly #abort = new AbortController();
  #touchedMs = this.#startMs;
  #socket: Socket | null = null;
  #ip: string | null = null;
  #rule: string | null = null;
  #failure: EgressError | null = null;
  #revoked = false;
  #finished = false;

  /** @param options See {@link PassageOptions}. Nothing happens yet. */
  constructor(options: PassageOptions) {
    this.#options = options;
  }

  /** Aborted by {@link abort}, and never by anything else. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Milliseconds since something last moved. */
  get idleMs(): number {
    return performance.now() - this.#touchedMs;
  }

  /** Says that something moved. */
  touch(): void {
    this.#touchedMs = performance.now();
  }

  /**
   * Asks, resolves and connects.
   *
   * @throws {EgressError} And others, which {@link fail} explains.
   */
  async connect(): Promise<Socket> {
    const { target, gate, resolver, limits, ca } = this.#options;
    const { signal } = this;
    this.#allow(gate.weigh(target.need));
    const resolved = await resolver.resolve(target, gate, signal);
    if ("refused" in resolved) {
      this.#ip = resolved.ip;
      throw EgressError.denied(resolved.refused);
    }
    const connection = await connectChecked(target, resolved.addresses, {
      connectMs: limits.connectMs,
      signal,
      ca,
    });
    this.#socket = connection.socket;
    this.#ip = connection.ip;
    // Connecting took time, in which a rule may have gone.
    this.recheck();
    this.touch();
    return connection.socket;
  }

  /**
   * Asks again about what is open. Throws the refusal as an {@link EgressError}. What is not connected yet is not
   * asked about: that happens when it is.
   */
  recheck(): void {
    const { gate, target } = this.#options;
    if (this.#socket === null || this.#ip === null) return;
    const verdict = gate.address(target.need, this.#ip);
    this.#revoked = !verdict.allowed;
    this.#allow(verdict);
  }

  /** Ends it from outside: what is under way fails with `failure`. */
  abort(failure: EgressError): void {
    this.fail(failure);
    this.#abort.abort(failure);
  }

  /** Reports that a tunnel is open. */
  opened(): void {
    this.#report("open", true, null, "ok");
  }

  /** Closes the connection and reports, once. `end` is `ok`, or why it ended. */
  finish(end: string): void {
    this.#end(true, null, end);
  }

  /** Closes the connection, reports a failure, once, and says what to throw for it. */
  fail(error: unknown): EgressError {
    const failure = this.#failure ??= this.#explain(error);
    if (failure.code !== "denied") this.#end(this.#rule !== null, null, failure.message);
    else {
      this.#rule = failure.receipt?.rule ?? this.#rule;
      this.#end(this.#revoked, failure.receipt, this.#revoked ? "revoked" : "refused");
    }
    return failure;
  }

  #end(allowed: boolean, receipt: Receipt | null, end: string): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#socket?.destroy();
    this.#report("done", allowed, receipt, end);
  }

  #report(phase: Decision["phase"], allowed: boolean, receipt: Receipt | null, end: string): void {
    const { agent, kind, target, method, onDecision } = this.#options;
    onDecision?.({
      agent,
      kind,
      phase,
      target: target.label,
      method,
      ip: this.#ip,
      allowed,
      rule: this.#rule,
      receipt,
      status: this.status,
      bytesUp: this.bytesUp,
      bytesDown: this.bytesDown,
      ms: performance.now() - this.#startMs,
      end,
    });
  }

  #allow(verdict: Verdict): void {
    if (!verdict.allowed) throw EgressError.denied(verdict);
    this.#rule = verdict.rule;
  }

  #explain(error: unknown): EgressError {
    if (error instanceof EgressError) return error;
    const unreadable = error instanceof HttpSyntaxError || error instanceof HeadError;
    const act = unreadable ? "read the answer of" : "exchange with";
    const message = `Cannot ${act} ${this.#options.target.label}: ${reasonOf(error)}`;
    return new EgressError("unavailable", message, { cause: error });
  }
}
