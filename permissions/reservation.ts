import { amountFault } from "./ledger.ts";
import type { Amount } from "./need.ts";

/** An amount set aside for one call to a model, until it is known what the call took. */
export class Reservation {
  readonly #model: string;
  readonly #amount: Amount;
  readonly #charge: (model: string, amount: Amount) => void;
  #open = true;

  /** Charges the amount at once. */
  constructor(model: string, amount: Amount, charge: (model: string, amount: Amount) => void) {
    this.#model = model;
    this.#amount = amount;
    this.#charge = charge;
    charge(model, amount);
  }

  /**
   * Replaces the amount by what was really taken, be it less or more. Does nothing the second time.
   *
   * @throws {TypeError} If a part of the amount is no number from 0 up; the reservation stays open then.
   */
  settle(taken: Amount): void {
    if (!this.#open) return;
    const fault = amountFault(taken);
    if (fault !== null) throw new TypeError(`Cannot settle a call to a model: ${fault}`);
    this.#open = false;
    const { calls = 0, tokens = 0, usd = 0 } = this.#amount;
    this.#charge(this.#model, {
      calls: (taken.calls ?? 0) - calls,
      tokens: (taken.tokens ?? 0) - tokens,
      usd: (taken.usd ?? 0) - usd,
    });
  }

  /** Gives all of it back: nothing was taken. */
  release(): void {
    this.settle({});
  }
}
