import type { Glob } from "./glob.ts";
import type { Amount } from "./need.ts";
import { BOUNDS } from "./vocabulary.ts";

/** A unit of what models take. */
export type Unit = keyof Amount;

/** What was taken from models so far. */
export interface Usage {
  /** Calls. */
  readonly calls: number;
  /** Tokens, in and out together. */
  readonly tokens: number;
  /** US dollars. */
  readonly usd: number;
}

/** What a limit is compared with. */
export interface Spending {
  /** How much of a unit went to the models a pattern means. */
  total(models: Glob, unit: Unit): number;
}

/** Counts what was taken, model by model, so that the counts outlive the rules that limit them. */
export class Ledger implements Spending {
  readonly #models = new Map<string, Record<Unit, number>>();
  /** What went to models beyond the number counted one by one: it counts against every limit. */
  readonly #others: Record<Unit, number> = { calls: 0, tokens: 0, usd: 0 };

  total(models: Glob, unit: Unit): number {
    let sum = this.#others[unit];
    for (const [model, taken] of this.#models) if (models.matches(model)) sum += taken[unit];
    return sum;
  }

  /** Adds an amount; a negative one gives back, never below nothing. */
  add(model: string, amount: Amount): void {
    let taken = this.#models.get(model);
    if (taken === undefined) {
      taken = this.#models.size < BOUNDS.models ? { calls: 0, tokens: 0, usd: 0 } : this.#others;
      if (taken !== this.#others) this.#models.set(model, taken);
    }
    for (const unit of ["calls", "tokens", "usd"] as const) {
      taken[unit] = Math.max(0, taken[unit] + (amount[unit] ?? 0));
    }
  }

  /** Everything together. */
  get sum(): Usage {
    const sum = { ...this.#others };
    for (const taken of this.#models.values()) {
      for (const unit of ["calls", "tokens", "usd"] as const) sum[unit] += taken[unit];
    }
    return sum as unknown as Usage;
  }
}

/** What is wrong with an amount, as a part of a sentence; null for nothing. */
export function amountFault(amount: Amount): string | null {
  for (const unit of ["calls", "tokens", "usd"] as const) {
    const value = amount[unit];
    if (value !== undefined && !(value >= 0 && value < Infinity)) return `${unit} is not a number from 0 up`;
  }
  return null;
}
