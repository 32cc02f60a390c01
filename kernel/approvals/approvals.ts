/**
 * Questions of agents that a person answers: may I have this, and why. A question gives nothing by itself; an answer is
 * a grant like any other, so it is bounded, shown, and taken back like any other.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { coversTogether } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Audit } from "../audit/audit.ts";
import { concerns, type EventBus } from "../events.ts";
import type { Principal } from "../principals.ts";
import { type AnswerKind, Approval, type ApprovalStatus } from "./approval.ts";
import type { Grants, GrantTerms } from "./grants.ts";
import { Rate } from "./rate.ts";
import type { GrantRules } from "./rules.ts";
import { type ApprovalNews, ApprovalWatcher } from "./watchers.ts";

/** What {@link Approvals} works with. */
export interface ApprovalsOptions {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly events: EventBus;
  readonly grants: Grants;
}

/** Bounds: a person has to read all this. */
export const APPROVAL_LIMITS = {
  /** Open questions of one agent. */
  ofOne: 8,
  /** Open questions of an agent and all below it. */
  ofTree: 32,
  /** Open questions in all. */
  all: 512,
  /** New questions of one agent in a minute. */
  perMinute: 20,
  /** Characters of a reason. */
  reasonChars: 500,
  /** How long a question stays open, unless it says otherwise, and at most. */
  expiresMs: 600_000,
  expiresMaxMs: 86_400_000,
  /** For so long a no is a no. */
  denialMs: 60_000,
  /** Questions remembered after they were closed. */
  closed: 256,
} as const;

/** An operator's answer. */
export interface AnswerInput {
  readonly kind: AnswerKind;
  /** Milliseconds, for `for`. */
  readonly durationMs?: number;
  /** Instead of what was asked for. */
  readonly rules?: GrantRules;
  readonly message?: string;
  readonly by: Principal;
}

/** See above. */
export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #pending = new Map<number, { readonly approval: Approval; readonly cancel: () => void }>();
  /** The oldest first. */
  readonly #closed: Approval[] = [];
  readonly #rates = new WeakMap<Principal, Rate>();
  readonly #watchers = new Set<ApprovalWatcher>();
  /** Being answered: another answer comes too late. */
  readonly #answering = new Set<Approval>();
  #last = 0;

  /** Nobody has asked yet. */
  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /**
   * Puts a question. The same question of the same agent is put once, and a no counts for a while.
   *
   * @param ask `expiresMs`: how long it stays open.
   * @returns The question; null when the agent holds all of it already.
   * @throws {SyscallError} `limit` when there are too many.
   */
  request(
    principal: Principal,
    rules: GrantRules,
    ask: { readonly reason: string; readonly expiresMs: number },
  ): Approval | null {
    const { clock } = this.#options;
    const now = clock.now();
    if (this.#holds(principal, rules, now)) return null;
    const text = rules.lines.join("\n");
    const same = (approval: Approval): boolean => approval.principal === principal && approval.text === text;
    const open = [...this.#pending.values()].map(({ approval }) => approval);
    const known = open.find(same) ??
      this.#closed.findLast((approval) => {
        return same(approval) && approval.status === "denied" &&
          now - approval.answer!.at < APPROVAL_LIMITS.denialMs;
      });
    if (known) return known;
    this.#demandRoom(principal, open);
    const approval = new Approval({
      id: ++this.#last,
      principal,
      rules,
      reason: ask.reason,
      askedAt: now,
      expiresAt: now + ask.expiresMs,
    });
    const cancel = clock.timer(ask.expiresMs, () => this.#end(approval, "expired"));
    this.#pending.set(approval.id, { approval, cancel });
    this.#write("APPROVAL_ASKED", approval, { reason: ask.reason, expires_ms: ask.expiresMs });
    this.#tell("asked", approval);
    return approval;
  }

  /** By number, also for a while after it was closed. */
  get(id: number): Approval | undefined {
    return this.#pending.get(id)?.approval ?? this.#closed.find((approval) => approval.id === id);
  }

  /** The open ones, the oldest first; with `closed`, those that were closed lately before them. */
  list(options: { readonly closed: boolean }): Approval[] {
    const open = [...this.#pending.values()].map(({ approval }) => approval);
    return options.closed ? [...this.#closed, ...open] : open;
  }

  /**
   * Answers a question. Whoever calls this has made sure that the answer is an operator's.
   *
   * @throws {SyscallError} `not_found`; `conflict` when it is answered, or for good where nothing lasts; `limit`.
   */
  async answer(id: number, input: AnswerInput): Promise<Approval> {
    const { clock } = this.#options;
    const approval = this.get(id);
    if (!approval) throw new SyscallError("not_found", `Cannot answer: no question has the number ${id}`);
    if (approval.status !== "pending" || this.#answering.has(approval)) {
      throw new SyscallError("conflict", `Cannot answer question ${id}: it is ${standing(approval)}`);
    }
    const { kind, message = "", by } = input;
    const said = { kind, at: clock.now(), by: by.id, message };
    if (kind === "deny") {
      this.#end(approval, "denied", said);
      return approval;
    }
    this.#answering.add(approval);
    try {
      const grant = await this.#grant(approval, input);
      const { grant_id, rules, until, uses_left } = this.#options.grants.factsOf(grant);
      this.#end(approval, "granted", { ...said, grant: { grant_id, rules, until, uses_left } });
    } finally {
      this.#answering.delete(approval);
    }
    return approval;
  }

  /** Starts watching. `stop` undoes it. */
  watch(): { readonly watcher: ApprovalWatcher; readonly stop: () => void } {
    const watcher = new ApprovalWatcher();
    this.#watchers.add(watcher);
    return { watcher, stop: () => this.#watchers.delete(watcher) };
  }

  /** Forgets the timers of what is open. */
  close(): void {
    for (const { cancel } of this.#pending.values()) cancel();
    this.#pending.clear();
  }

  #holds({ authority }: Principal, rules: GrantRules, now: number): boolean {
    const lasting = authority.grants().filter((grant) => {
      return !grant.revoked && grant.usesLeft === undefined && (grant.until ?? Infinity) > now;
    });
    // What an agent gave may be worth less than it says.
    const certain = lasting.filter((grant) => grant.from === null).map((grant) => grant.rules);
    return coversTogether([authority.effective(), ...certain], rules.policy);
  }

  #demandRoom(principal: Principal, open: readonly Approval[]): void {
    const { ofOne, ofTree, all, perMinute } = APPROVAL_LIMITS;
    let top = principal;
    while (top.parent) top = top.parent;
    const own = open.filter((approval) => approval.principal === principal).length;
    const tree = open.filter((approval) => top.isAbove(approval.principal)).length;
    if (own >= ofOne || tree >= ofTree || open.length >= all) {
      throw new SyscallError(
        "limit",
        `Cannot ask: ${own} questions of this agent and ${tree} of its tree are open, wait for answers`,
      );
    }
    if (!this.#rateOf(principal).take()) {
      throw new SyscallError("limit", `Cannot ask: at most ${perMinute} questions a minute, wait a moment`);
    }
  }

  #rateOf(principal: Principal): Rate {
    let rate = this.#rates.get(principal);
    if (rate) return rate;
    rate = new Rate(this.#options.clock, APPROVAL_LIMITS.perMinute, 60_000);
    this.#rates.set(principal, rate);
    principal.onGone(() => {
      for (const { approval } of [...this.#pending.values()]) {
        if (approval.principal === principal) this.#end(approval, "withdrawn");
      }
    });
    return rate;
  }

  async #grant(approval: Approval, { kind, durationMs, rules, by }: AnswerInput) {
    const { clock, grants } = this.#options;
    const { principal } = approval;
    const given = rules ?? approval.rules;
    if (kind === "always") return await grants.giveForGood(principal, given, by);
    const terms: GrantTerms = kind === "once"
      ? { uses: 1 }
      : kind === "for"
      ? { until: clock.now() + durationMs! }
      : {};
    return grants.give(principal, given, { ...terms, giver: null, by });
  }

  #end(
    approval: Approval,
    status: Exclude<ApprovalStatus, "pending">,
    answer: Approval["answer"] = null,
  ): void {
    const found = this.#pending.get(approval.id);
    if (!found) return;
    found.cancel();
    this.#pending.delete(approval.id);
    approval.settle(status, answer);
    this.#closed.push(approval);
    if (this.#closed.length > APPROVAL_LIMITS.closed) this.#closed.shift();
    this.#write("APPROVAL_CLOSED", approval, {
      status,
      ...(answer ? { answer: answer.kind, by: answer.by, grant_id: answer.grant?.grant_id } : {}),
    });
    this.#tell(status, approval);
  }

  #write(event_type: string, approval: Approval, details: Record<string, unknown>): void {
    const { id, principal, rules } = approval;
    this.#options.audit.write({
      category: "SECURITY",
      event_type,
      agent_id: principal.id,
      agent_name: approval.name,
      success: true,
      details: { request_id: id, rules: rules.lines, ...details },
    });
  }

  #tell(action: ApprovalNews["action"], approval: Approval): void {
    const { id, principal, name, rules } = approval;
    for (const watcher of this.#watchers) watcher.add({ action, approval });
    this.#options.events.emit(
      action === "asked" ? "APPROVAL_REQUESTED" : "APPROVAL_CLOSED",
      {
        request_id: id,
        agent_id: principal.id,
        agent_name: name,
        rules: rules.lines,
        status: approval.status,
      },
      principal.id,
      concerns(principal),
    );
  }
}

function standing(approval: Approval): string {
  return approval.status === "pending" ? "being answered" : approval.status;
}
