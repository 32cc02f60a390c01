/**
 * One question of an agent to its operator.
 *
 * @module
 */
import type { Principal } from "../principals.ts";
import type { GrantRules } from "./rules.ts";

/** How operators answer: for one act, for a time, for this agent's life, for good, or not at all. */
export const ANSWERS = ["once", "for", "life", "always", "deny"] as const;

/** One of {@link ANSWERS}. */
export type AnswerKind = (typeof ANSWERS)[number];

/** What became of a question. `withdrawn`: the agent ended first. */
export const STATUSES = ["pending", "granted", "denied", "expired", "withdrawn"] as const;

/** One of {@link STATUSES}. */
export type ApprovalStatus = (typeof STATUSES)[number];

/** An answer as it was given. */
export interface Answered {
  readonly kind: AnswerKind;
  /** Epoch milliseconds. */
  readonly at: number;
  /** The operator's connection. */
  readonly by: number;
  /** For the agent; empty when nothing was said. */
  readonly message: string;
  /** Absent with `deny`. */
  readonly grant?: {
    readonly grant_id: number;
    readonly rules: readonly string[];
    readonly until?: number;
    readonly uses_left?: number;
  };
}

/** See above. */
export class Approval {
  readonly id: number;
  readonly principal: Principal;
  /** As it was when it asked. */
  readonly name: string;
  readonly rules: GrantRules;
  /** The agent's own words: data, to be shown escaped and obeyed by nobody. */
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly askedAt: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  /** Resolves when it is pending no more. */
  readonly closed: Promise<void>;
  #status: ApprovalStatus = "pending";
  #answer: Answered | null = null;
  readonly #close: () => void;

  /** A pending one. */
  constructor(
    options: Pick<Approval, "id" | "principal" | "rules" | "reason" | "askedAt" | "expiresAt">,
  ) {
    this.id = options.id;
    this.principal = options.principal;
    this.name = options.principal.name;
    this.rules = options.rules;
    this.reason = options.reason;
    this.askedAt = options.askedAt;
    this.expiresAt = options.expiresAt;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  /** What became of it. */
  get status(): ApprovalStatus {
    return this.#status;
  }

  /** Null unless it was granted or denied. */
  get answer(): Answered | null {
    return this.#answer;
  }

  /** The rules as one text: equal for equal questions. */
  get text(): string {
    return this.rules.lines.join("\n");
  }

  /** Ends it. Only once. */
  settle(status: Exclude<ApprovalStatus, "pending">, answer: Answered | null = null): void {
    this.#status = status;
    this.#answer = answer;
    this.#close();
  }
}
