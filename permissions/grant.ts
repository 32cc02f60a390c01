import { Ledger } from "./ledger.ts";
import type { Need } from "./need.ts";
import { meet, type Policy } from "./policy.ts";

/** A right given to an agent beyond its own policy, for as long as it lasts. */
export interface Grant {
  /** Its number among the grants of the agent that holds it. */
  readonly id: number;
  /** What it allows. */
  readonly rules: Policy;
  /** Who gave it: an agent's authority, or null for the operator. */
  readonly from: object | null;
  /** When it ends, in milliseconds since 1970. */
  readonly until?: number;
  /** How many more acts it is good for; absent where they are not counted. */
  readonly usesLeft?: number;
  /** Whether it was taken back. */
  readonly revoked: boolean;
  /** Takes it back, at once and from all who hold something by it. */
  revoke(): void;
}

/** A grant as the authority that holds it sees it. */
export class HeldGrant<Giver extends object> implements Grant {
  readonly id: number;
  readonly from: Giver | null;
  readonly until?: number;
  /** What models took by this grant. */
  readonly ledger: Ledger = new Ledger();
  /** Acts it was spent on: what belongs to such an act, such as the address check, may still follow. */
  readonly #acts = new WeakSet<Need>();
  readonly #drop: (grant: HeldGrant<Giver>) => void;
  #rules: Policy;
  #usesLeft: number | undefined;
  #revoked = false;

  constructor(options: {
    readonly id: number;
    readonly rules: Policy;
    readonly from: Giver | null;
    readonly until?: number;
    readonly uses?: number;
    readonly drop: (grant: HeldGrant<Giver>) => void;
  }) {
    this.id = options.id;
    this.from = options.from;
    this.until = options.until;
    this.#rules = options.rules;
    this.#usesLeft = options.uses;
    this.#drop = options.drop;
  }

  get rules(): Policy {
    return this.#rules;
  }

  get usesLeft(): number | undefined {
    return this.#usesLeft;
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  revoke(): void {
    if (this.#revoked) return;
    this.#revoked = true;
    this.#drop(this);
  }

  /** Narrows what it allows. */
  lower(policy: Policy): void {
    this.#rules = meet(this.#rules, policy);
  }

  /** Whether it can still allow anything. */
  lasts(nowMs: number): boolean {
    return !this.#revoked && (this.until === undefined || nowMs < this.until);
  }

  /** Whether it is good for an act: uses are left, or one was spent on this very act. */
  serves(act: Need): boolean {
    return this.#usesLeft === undefined || this.#usesLeft > 0 || this.#acts.has(act);
  }

  /** Spends a use on an act: one, however often the same act is weighed. */
  spend(act: Need): void {
    if (this.#usesLeft === undefined || this.#acts.has(act)) return;
    this.#usesLeft = Math.max(0, this.#usesLeft - 1);
    this.#acts.add(act);
  }
}
