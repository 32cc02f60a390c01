import { ArgvPattern } from "./argv_pattern.ts";
import type { Spending } from "./ledger.ts";
import { NamePattern } from "./name_pattern.ts";
import type { Need } from "./need.ts";
import type { Pattern } from "./pattern.ts";
import type { Allowed } from "./verdict.ts";
import type { Capability } from "./vocabulary.ts";

/** What a rule limits, by the word of the attribute. */
export interface Limits {
  /** Calls to models, ever. */
  readonly calls?: number;
  /** Tokens, in and out, ever. */
  readonly tokens?: number;
  /** US dollars, ever. */
  readonly usd?: number;
  /** Living children at a time. */
  readonly count?: number;
  /** Levels of agents below the holder. */
  readonly depth?: number;
}

/** Which attributes a capability knows. */
export const ATTRIBUTES: Readonly<Partial<Record<Capability, readonly (keyof Limits)[]>>> = {
  spawn: ["count", "depth"],
  think: ["calls", "tokens", "usd"],
};

/** One rule, compiled. */
export class Rule {
  readonly deny: boolean;
  readonly capability: Capability;
  readonly pattern: Pattern;
  readonly limits: Limits;
  /** Canonical text without `deny`, such as `spawn:* count=8 depth=2`. */
  readonly text: string;
  /** Where it stands, such as `level sandboxed`. */
  readonly origin: string;
  /** For a default block: its text as clients see it. */
  readonly block: string | null;
  /** The verdict of whatever it allows, made once. */
  readonly allowed: Allowed;

  constructor(options: {
    readonly deny: boolean;
    readonly capability: Capability;
    readonly pattern: Pattern;
    readonly limits?: Limits;
    readonly origin: string;
    readonly block?: string;
  }) {
    this.deny = options.deny;
    this.capability = options.capability;
    this.pattern = options.pattern;
    this.limits = options.limits ?? {};
    this.origin = options.origin;
    this.block = options.block ?? null;
    const limits = (ATTRIBUTES[this.capability] ?? [])
      .filter((name) => this.limits[name] !== undefined)
      .map((name) => ` ${name}=${this.limits[name]}`);
    this.text = `${this.capability}:${this.pattern.text}${limits.join("")}`;
    this.allowed = Object.freeze({ allowed: true, rule: `${this.origin}: ${this.text}` });
  }

  /** Whether it allows everything of its capability. */
  get all(): boolean {
    return this.pattern.all && Object.keys(this.limits).length === 0;
  }

  /** Whether it allows a need, given what was spent so far. */
  allows(need: Need, spent: Spending | null): boolean {
    return this.pattern.allows(need) && this.shortage(need, spent) === null;
  }

  /** Which limit a need would break, as a part of a sentence; null for none. Asks only what the pattern allows. */
  shortage(need: Need, spent: Spending | null): string | null {
    if (this.capability === "spawn") {
      const { count = 1, depth = 1 } = need.offspring ?? {};
      if (count > (this.limits.count ?? Infinity)) return `at most ${this.limits.count} children at a time`;
      if (depth > (this.limits.depth ?? Infinity)) {
        return `at most ${this.limits.depth} levels of agents below`;
      }
    } else if (this.capability === "think" && this.pattern instanceof NamePattern) {
      for (const unit of ["calls", "tokens", "usd"] as const) {
        const limit = this.limits[unit];
        if (limit === undefined) continue;
        const used = spent === null ? 0 : spent.total(this.pattern.glob, unit);
        const asked = need.amount?.[unit] ?? 0;
        // A use that has reached its limit is at its end, also for a call that cannot say what it will take.
        if (used + asked > limit + ROUNDING || (used >= limit && asked === 0)) {
          return `${formatAmount(used)} of ${limit} ${unit} used` +
            (asked > 0 ? `, ${formatAmount(asked)} more asked for` : "");
        }
      }
    }
    return null;
  }

  /** Whether this certainly allows everything that another rule allows. In doubt: no. */
  covers(other: Rule): boolean {
    if (this.capability !== other.capability || !this.pattern.covers(other.pattern)) return false;
    for (const name of Object.keys(this.limits) as (keyof Limits)[]) {
      if ((other.limits[name] ?? Infinity) > this.limits[name]!) return false;
    }
    return true;
  }

  /** The program of a command rule that leaves the arguments open; null for other rules. */
  get program(): string | null {
    return this.pattern instanceof ArgvPattern && this.pattern.words.length === 1 ? this.firstWord : null;
  }

  /** The program of a command rule; null where it is a pattern, and for other rules. */
  get firstWord(): string | null {
    return this.pattern instanceof ArgvPattern ? this.pattern.words[0]?.literal ?? null : null;
  }
}

/** Sums of binary fractions miss a decimal limit by less than this. */
const ROUNDING = 1e-9;

function formatAmount(value: number): string {
  return String(Math.round(value * 1e6) / 1e6);
}
