/**
 * Choices of a simulation, all from one seed.
 *
 * @module
 */
import type { Random } from "../../worlds/random.ts";

/** Draws what a scenario needs from a {@link Random}. */
export class Chance {
  readonly #random: Random;

  /** Every draw is one or more draws of `random`. */
  constructor(random: Random) {
    this.#random = random;
  }

  /** True with this probability. */
  may(probability: number): boolean {
    return this.#random.float() < probability;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#random.float() * (to - from + 1));
  }

  /** One of a list that is not empty. */
  one<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]!;
  }

  /** One of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let at = this.#random.float() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) if ((at -= weight) < 0) return key;
    return entries.at(-1)![0];
  }

  /** Milliseconds: mostly short, sometimes long, as waits on real machines are. */
  delay(typicalMs: number): number {
    return this.may(0.1) ? typicalMs * 10 * this.#random.float() : typicalMs * this.#random.float();
  }
}
