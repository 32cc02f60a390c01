/**
 * Giving rights and taking them back, with all that belongs to it: bounds, the audit log, and what is kept for good.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { type Authority, type Grant, Policy } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Audit } from "../audit/audit.ts";
import { HOME } from "../home.ts";
import type { Log } from "../log.ts";
import type { Principal, Principals } from "../principals.ts";
import type { KeptRights } from "./kept.ts";
import { lineageOf } from "./lineage.ts";
import type { GrantRules } from "./rules.ts";

/** How long a grant is good. */
export interface GrantTerms {
  /** Epoch milliseconds. */
  readonly until?: number;
  /** So many acts. */
  readonly uses?: number;
}

/** A grant as people and programs see it. */
export interface GrantFacts {
  /** Among the grants of the agent that holds it. */
  readonly grant_id: number;
  readonly rules: string[];
  /** Who gave it; 0 is the operator. */
  readonly from: number;
  readonly from_name: string;
  /** Epoch milliseconds; absent: for as long as the agent lives. */
  readonly until?: number;
  readonly uses_left?: number;
  /** Whether it will be given again whenever an agent of this name is spawned. */
  readonly kept: boolean;
}

/** What {@link Grants} works with. */
export interface GrantsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Audit;
  readonly principals: Principals;
  readonly kept: KeptRights;
}

/** See above. */
export class Grants {
  readonly #options: GrantsOptions;
  /** Grants that stand for a kept right: the lineage and the rules it is kept under. */
  readonly #standing = new WeakMap<Grant, { readonly lineage: string; readonly rules: string }>();

  /** Gives nothing yet. */
  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * Gives a right.
   *
   * @param giver Null when it comes from an operator.
   * @param by Who did it, for the audit log.
   * @throws {SyscallError} `limit` when the taker holds too many.
   */
  give(
    taker: Principal,
    rules: GrantRules,
    terms: GrantTerms & { readonly giver: Principal | null; readonly by: Principal },
  ): Grant {
    const { clock } = this.#options;
    const { giver, by, until, uses } = terms;
    taker.authority.prune(clock.now());
    let grant: Grant;
    try {
      grant = taker.authority.grant(rules.policy, { from: giver?.authority ?? null, until, uses });
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new SyscallError("limit", cause.message, { cause });
    }
    this.#write("GRANT_GIVEN", taker, by, { grant_id: grant.id, rules: rules.lines, until, uses });
    return grant;
  }

  /** Gives a right now and to every agent of the same lineage from now on. */
  async giveForGood(taker: Principal, rules: GrantRules, by: Principal): Promise<Grant> {
    const { clock, kept } = this.#options;
    const lineage = lineageOf(taker);
    if (lineage === null) {
      throw new SyscallError(
        "conflict",
        `Cannot give a right for good to ${taker.label}: it has no name that lasts, start it with a name`,
      );
    }
    const text = rules.lines.join("\n");
    await kept.keep({ lineage, rules: text, at: Math.floor(clock.now()) });
    this.#write("GRANT_KEPT", taker, by, { lineage, rules: rules.lines });
    const grant = this.give(taker, rules, { giver: null, by });
    this.#standing.set(grant, { lineage, rules: text });
    return grant;
  }

  /** Gives an agent that was just spawned what is kept for it. */
  restore(principal: Principal): void {
    const { kept, log } = this.#options;
    const lineage = principal.kind === "agent" ? lineageOf(principal) : null;
    if (lineage === null) return;
    for (const { rules } of kept.of(lineage)) {
      try {
        const policy = Policy.parse(rules, { home: HOME, name: "grant" });
        const grant = principal.authority.grant(policy, { from: null });
        this.#standing.set(grant, { lineage, rules });
        this.#write("GRANT_RESTORED", principal, null, { grant_id: grant.id, rules: rules.split("\n") });
      } catch (cause) {
        log.error("a right that was kept could not be given again", { agent: principal.label, rules, cause });
      }
    }
  }

  /** Takes a right back, at once and from all below; one that is kept is forgotten, too. */
  async revoke(holder: Principal, grant: Grant, by: Principal): Promise<void> {
    const standing = this.#standing.get(grant);
    grant.revoke();
    this.#write("GRANT_REVOKED", holder, by, {
      grant_id: grant.id,
      rules: grant.rules.toString().split("\n"),
    });
    if (standing) await this.forget(standing.lineage, standing.rules, by);
  }

  /** Forgets a kept right. Agents that hold it by now go on holding it. @returns Whether it was kept. */
  async forget(lineage: string, rules: string, by: Principal): Promise<boolean> {
    const known = await this.#options.kept.forget(lineage, rules);
    if (known) this.#write("GRANT_FORGOTTEN", null, by, { lineage, rules: rules.split("\n") });
    return known;
  }

  /** The grants that somebody holds and that are still worth something. */
  heldBy(holder: Principal): GrantFacts[] {
    const { clock, principals } = this.#options;
    holder.authority.prune(clock.now());
    return holder.authority.grants().map((grant) => this.factsOf(grant, principals));
  }

  /** A grant as it is shown. */
  factsOf(grant: Grant, principals: Principals = this.#options.principals): GrantFacts {
    const giver = grant.from === null ? null : holderOf(grant.from as Authority, principals);
    return {
      grant_id: grant.id,
      rules: grant.rules.toString().split("\n"),
      from: giver?.id ?? 0,
      from_name: grant.from === null ? "operator" : giver?.name ?? "",
      ...(grant.until === undefined ? {} : { until: grant.until }),
      ...(grant.usesLeft === undefined ? {} : { uses_left: grant.usesLeft }),
      kept: this.#standing.has(grant),
    };
  }

  #write(
    event_type: string,
    subject: Principal | null,
    by: Principal | null,
    details: Record<string, unknown>,
  ): void {
    this.#options.audit.write({
      category: "SECURITY",
      event_type,
      agent_id: subject?.id ?? 0,
      agent_name: subject?.name ?? "",
      success: true,
      details: { ...details, by: by?.id ?? 0 },
    });
  }
}

function holderOf(authority: Authority, principals: Principals): Principal | null {
  for (const principal of principals.all()) if (principal.authority === authority) return principal;
  return null;
}
