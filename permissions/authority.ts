import { type Grant, HeldGrant } from "./grant.ts";
import { amountFault, Ledger, type Usage } from "./ledger.ts";
import { type Amount, type Need, withAddress } from "./need.ts";
import { meet, type Policy } from "./policy.ts";
import { Reservation } from "./reservation.ts";
import type { Allowed, Refused, Verdict } from "./verdict.ts";
import { BOUNDS, type Capability } from "./vocabulary.ts";
import { decide, ended, needFault, refuse, refuseBy, weigh } from "./weigh.ts";

/** One station of the way by which an act was allowed: whose right, which counter, by which grant. */
interface Step {
  readonly holder: Authority;
  readonly ledger: Ledger;
  readonly grant: HeldGrant<Authority> | null;
}

/** An allowed act, and its way from the agent up. */
interface Way {
  readonly verdict: Allowed;
  readonly steps: readonly Step[];
}

/** One question on its way through the tree. */
interface Question {
  /** The need as it was asked: what a counted grant is spent on. */
  readonly act: Need;
  readonly nowMs: number;
  /** Agents that may still be visited. */
  visits: number;
}

/**
 * What one agent may do, now.
 *
 * Allowed is what its own policy and its parent's authority both allow, and what a grant allows. A grant by the
 * operator is worth what it says, whatever the agent's policy denies. A grant by an agent is worth what that agent
 * itself holds at the moment, without what is denied to the one that got it. So whatever is taken from an agent is
 * taken from all below it and from all it gave to, at once.
 */
export class Authority {
  readonly #parent: Authority | null;
  #base: Policy;
  #grants: HeldGrant<Authority>[] = [];
  #given = new Set<HeldGrant<Authority>>();
  #lastGrant = 0;
  /** What was taken under the base policy, by this agent and those below it. Outlives every change of policy. */
  readonly #ledger = new Ledger();
  #usage: Usage = { calls: 0, tokens: 0, usd: 0 };
  /** Set while a question passes through here: agents may have granted to each other in a circle. */
  #asked = false;
  /**
   * Called after what this agent holds of its own has changed: its policy, or a grant it holds. For whoever keeps
   * something open by a right, of this agent, of those below it, or of those it gave to.
   */
  onChange: (() => void) | null = null;
  /** Called with every act that was weighed and allowed, for runs that are learned from; not for explanations. */
  onAllowed: ((need: Need) => void) | null = null;

  /**
   * @param base The agent's own policy.
   * @param parent The authority of the agent that started it; absent for the operator and what it started.
   */
  constructor(base: Policy, parent?: Authority) {
    this.#base = base;
    this.#parent = parent ?? null;
  }

  /** The agent's own policy. What its parent does not hold it cannot use. */
  get base(): Policy {
    return this.#base;
  }

  /** The authority above it. */
  get parent(): Authority | null {
    return this.#parent;
  }

  /**
   * What own policy and all above it allow together, without grants: for showing, for Deno's flags, for walls.
   *
   * @throws {RangeError} If it has more layers than a policy may have.
   */
  effective(): Policy {
    let policy = this.#base;
    for (let above = this.#parent; above !== null; above = above.#parent) policy = meet(policy, above.#base);
    return policy;
  }

  /**
   * Whether the agent may, and by which rule. An act that needs a grant with counted uses takes one of them.
   *
   * @param nowMs Milliseconds since 1970.
   */
  weigh(need: Need, nowMs: number): Verdict {
    const verdict = this.#weigh(need, nowMs);
    if (this.onAllowed !== null && verdict.allowed) this.onAllowed(need);
    return verdict;
  }

  #weigh(need: Need, nowMs: number): Verdict {
    // Most acts are allowed by policies alone, and then nothing is allocated.
    const quick = this.#quick(need, nowMs);
    if (quick !== null) return quick;
    const found = this.#ask(need, nowMs);
    if ("allowed" in found) return found;
    for (const { grant } of found.steps) grant?.spend(need);
    return found.verdict;
  }

  /** As {@linkcode Authority.weigh}, without taking a use: to show what would be answered. */
  explain(need: Need, nowMs: number): Verdict {
    const found = this.#ask(need, nowMs);
    return "allowed" in found ? found : found.verdict;
  }

  /** Whether there is anything of a kind that it may do: its own policy says so, or a grant. For explanations. */
  holds(capability: Capability): boolean {
    const any = ({ layers }: Policy): boolean => layers.every((each) => each.allowing(capability).length > 0);
    return any(this.#base) || this.#grants.some((grant) => isAlive(grant) && any(grant.rules));
  }

  /**
   * Whether the agent may go to the address that the host of a need was resolved to. To be asked after
   * {@linkcode Authority.weigh} and with the same need; takes no further use.
   */
  weighAddress(need: Need, address: string, nowMs: number): Verdict {
    const there = withAddress(need, address);
    const found = this.#ask(there, nowMs, need);
    if ("allowed" in found) return found;
    this.onAllowed?.(there);
    return found.verdict;
  }

  /**
   * Gives up everything that a policy does not allow: of the agent's own policy, and of each grant it holds.
   *
   * @throws {RangeError} If the policy gets too many layers; nothing is changed then.
   */
  lower(policy: Policy): void {
    const base = meet(this.#base, policy);
    for (const grant of this.#grants) meet(grant.rules, policy);
    this.#base = base;
    for (const grant of this.#grants) grant.lower(policy);
    this.onChange?.();
  }

  /** Puts another policy in place of its own, also a wider one: for the operator. Grants and counters stay. */
  replace(policy: Policy): void {
    this.#base = policy;
    this.onChange?.();
  }

  /**
   * Gives the agent a right beyond its policy.
   *
   * @param rules What it allows.
   * @param options `from`: who gives it, null for the operator; `until`: when it ends, in milliseconds since 1970;
   *   `uses`: how many acts it is good for.
   * @throws {RangeError} If the agent holds too many grants, or too many of that giver.
   * @throws {TypeError} If it would come from the agent itself, or uses is no whole number from 1 up.
   */
  grant(rules: Policy, options: { from: Authority | null; until?: number; uses?: number }): Grant {
    const { from, until, uses } = options;
    if (from === this) throw new TypeError("Cannot grant: an agent gives itself nothing");
    if (uses !== undefined && !(Number.isSafeInteger(uses) && uses >= 1)) {
      throw new TypeError(`Cannot grant ${uses} uses: it is not a whole number from 1 up`);
    }
    this.#grants = this.#grants.filter((grant) => isAlive(grant));
    if (this.#grants.length >= BOUNDS.grants) {
      throw new RangeError(`Cannot grant: the agent holds ${BOUNDS.grants} grants already, revoke some`);
    }
    if (
      from !== null && this.#grants.filter((grant) => grant.from === from).length >= BOUNDS.grantsPerGiver
    ) {
      throw new RangeError(
        `Cannot grant: the agent holds ${BOUNDS.grantsPerGiver} grants of this giver, revoke some`,
      );
    }
    const grant = new HeldGrant<Authority>({
      id: ++this.#lastGrant,
      rules,
      from,
      until,
      uses,
      drop: (dropped) => {
        this.#grants = this.#grants.filter((each) => each !== dropped);
        if (from !== null) from.#given.delete(dropped);
        this.onChange?.();
      },
    });
    this.#grants.push(grant);
    if (from !== null) from.#given.add(grant);
    this.onChange?.();
    return grant;
  }

  /** The grants it holds, the ended ones too until {@linkcode Authority.prune}. */
  grants(): readonly Grant[] {
    return [...this.#grants];
  }

  /** The grants it gave to others. */
  given(): readonly Grant[] {
    return [...this.#given];
  }

  /** Drops grants that have ended or are used up. */
  prune(nowMs: number): void {
    for (const grant of this.#grants) if (!grant.lasts(nowMs) || !isAlive(grant)) grant.revoke();
  }

  /** For an agent that is gone: takes back what it gave and drops what it held. Those below keep their bounds. */
  close(): void {
    for (const grant of [...this.#given, ...this.#grants]) grant.revoke();
  }

  /** What models took, for this agent and those below it. Outlives every change of policy. */
  get usage(): Usage {
    return this.#usage;
  }

  /**
   * Sets an amount aside before a model is called, in every quota it counts against: the agent's, and those of all
   * above it. To be settled or released afterwards.
   *
   * @param need Of `think`, with the amount that the call may take at most.
   */
  reserve(need: Need, nowMs: number): (Allowed & { readonly reservation: Reservation }) | Refused {
    const found = this.#ask(need, nowMs);
    if ("allowed" in found) return found;
    const { steps, verdict } = found;
    for (const { grant } of steps) grant?.spend(need);
    const charge = (model: string, amount: Amount) => Authority.#charge(steps, model, amount);
    return { ...verdict, reservation: new Reservation(need.target, need.amount ?? {}, charge) };
  }

  /**
   * Counts what a model took without having been asked first, as an agent's own report says. Refuses nothing.
   *
   * @throws {TypeError} If a part of the amount is no number from 0 up.
   */
  report(model: string, amount: Amount): void {
    const fault = amountFault(amount);
    if (fault !== null) throw new TypeError(`Cannot count a call to a model: ${fault}`);
    const steps = this.#line().map((holder) => ({ holder, ledger: holder.#ledger, grant: null }));
    Authority.#charge(steps, model, amount);
  }

  /** The rule by which policies alone allow, all the way up; null when they are not the whole answer. */
  #quick(need: Need, nowMs: number): Allowed | null {
    // Quotas and depth differ from level to level of the tree.
    if (need.capability === "think" || need.capability === "spawn" || needFault(need) !== null) return null;
    return this.#byBases(need, nowMs);
  }

  #byBases(need: Need, nowMs: number): Allowed | null {
    const base = this.#base;
    if (base.expires !== undefined && !(nowMs < base.expires)) return null;
    const rule = decide(base, need, null);
    if (rule === null || (this.#parent !== null && this.#parent.#byBases(need, nowMs) === null)) return null;
    return rule.allowed;
  }

  /** This agent and all above it. */
  #line(): Authority[] {
    return this.#parent === null ? [this] : [this, ...this.#parent.#line()];
  }

  #ask(need: Need, nowMs: number, act: Need = need): Way | Refused {
    const fault = needFault(need);
    return fault !== null ? refuse(need, fault) : this.#find(need, { act, nowMs, visits: BOUNDS.visits }, "");
  }

  #find(need: Need, question: Question, whose: string): Way | Refused {
    if (this.#asked) return refuse(need, `${whose}the grant comes round to its own giver`);
    if (--question.visits < 0) return refuse(need, `${whose}the grants are too entangled to follow`);
    this.#asked = true;
    try {
      const own = this.#byPolicy(need, question, whose);
      if (!("allowed" in own)) return own;
      for (const grant of this.#grants) {
        const way = this.#byGrant(grant, need, question);
        if (way !== null) return way;
      }
      return own;
    } finally {
      this.#asked = false;
    }
  }

  #byPolicy(need: Need, question: Question, whose: string): Way | Refused {
    const base = this.#base;
    if (base.expires !== undefined && !(question.nowMs < base.expires)) return ended(base, need, whose);
    const rule = decide(base, need, this.#ledger);
    if (rule === null) return refuseBy(base, need, this.#ledger, whose);
    const step = { holder: this, ledger: this.#ledger, grant: null };
    if (this.#parent === null) return { verdict: rule.allowed, steps: [step] };
    const above = this.#parent.#find(deeper(need), question, "parent, ");
    return "allowed" in above
      ? refuse(need, above.receipt.rule, above.quota)
      : { verdict: rule.allowed, steps: [step, ...above.steps] };
  }

  #byGrant(grant: HeldGrant<Authority>, need: Need, question: Question): Way | null {
    if (!grant.lasts(question.nowMs) || !grant.serves(question.act)) return null;
    const { rules, from } = grant;
    if (rules.expires !== undefined && !(question.nowMs < rules.expires)) return null;
    const rule = decide(rules, need, grant.ledger);
    if (rule === null) return null;
    const giver = from === null ? "the operator" : "an agent";
    const verdict: Allowed = { allowed: true, rule: `grant ${grant.id} by ${giver}: ${rule.text}` };
    const step = { holder: this, ledger: grant.ledger, grant };
    if (from === null) return { verdict, steps: [step] };
    if (this.#line().some((holder) => holder.#base.layers.some((layer) => layer.denies(need)))) return null;
    const theirs = from.#find(need, question, "");
    return "allowed" in theirs ? null : { verdict, steps: [step, ...theirs.steps] };
  }

  static #charge(steps: readonly Step[], model: string, amount: Amount): void {
    for (const ledger of new Set(steps.map((step) => step.ledger))) ledger.add(model, amount);
    for (const holder of new Set(steps.map((step) => step.holder))) {
      const { calls, tokens, usd } = holder.#usage;
      holder.#usage = {
        calls: Math.max(0, calls + (amount.calls ?? 0)),
        tokens: Math.max(0, tokens + (amount.tokens ?? 0)),
        usd: Math.max(0, usd + (amount.usd ?? 0)),
      };
    }
  }
}

/**
 * Whether an authority, or a policy, allows the address that the host of a need was resolved to. Names are checked
 * again with it, so that an address alone opens nothing.
 *
 * @param holder What is asked; of an authority no use of a grant is taken.
 * @param address Dotted IPv4, or IPv6 without brackets.
 * @param nowMs Milliseconds since 1970; the machine's clock if absent.
 */
export function addressAllowed(
  holder: Policy | Authority,
  need: Need,
  address: string,
  nowMs?: number,
): Verdict {
  return holder instanceof Authority
    ? holder.weighAddress(need, address, nowMs ?? Date.now())
    : weigh(holder, withAddress(need, address), nowMs);
}

/** The same need, seen from one level further up. */
function deeper(need: Need): Need {
  if (need.capability !== "spawn") return need;
  const { count = 1, depth = 1 } = need.offspring ?? {};
  return { ...need, offspring: { count, depth: depth + 1 } };
}

function isAlive(grant: HeldGrant<Authority>): boolean {
  return !grant.revoked && (grant.usesLeft === undefined || grant.usesLeft > 0);
}
