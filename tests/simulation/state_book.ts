/**
 * What may be read from the state store, given what was asked for and what was acknowledged.
 *
 * Every value is written once, so a read names its write. A write that was acknowledged stays until another
 * one, begun after it was acknowledged or at the same time, takes its place: over power cuts too. A write of
 * which nobody knows how it ended may show at any time after it was sent. One that was refused never shows.
 *
 * @module
 */

/** One write; `value` null is a delete. */
export interface Write {
  readonly key: string;
  readonly value: string | null;
  /** Moments are counted, not measured: two that happen at the same time still have an order. */
  readonly began: number;
  /** Infinity until it was acknowledged, and for ever when it never is. */
  ended: number;
  refused: boolean;
  /** The highest version that had been acknowledged when it began. */
  readonly floor: number;
  /** Earliest moment of time at which it may be gone by itself, in virtual milliseconds. */
  readonly mayExpire: number;
  /** Latest one, once it is acknowledged. */
  mustExpire: number;
}

/** A read that is under way. */
export interface Read {
  readonly key: string;
  readonly began: number;
  readonly time: number;
}

/** Everything about shared keys. Answers of its checks are sentences, or null when all is well. */
export class StateBook {
  readonly #writes = new Map<string, Write[]>();
  readonly #versions = new Set<number>();
  #moment = 0;
  #highest = 0;

  /** Every key that was ever written to. */
  get keys(): string[] {
    return [...this.#writes.keys()];
  }

  /** A write leaves its client. */
  begin(key: string, value: string | null, now: number, ttlMs = Infinity): Write {
    const write: Write = {
      key,
      value,
      began: ++this.#moment,
      ended: Infinity,
      refused: false,
      floor: this.#highest,
      mayExpire: now + ttlMs,
      mustExpire: Infinity,
    };
    this.#of(key).push(write);
    return write;
  }

  /** A write was acknowledged. */
  acknowledge(write: Write, now: number, ttlMs = Infinity, version?: number): string | null {
    write.ended = ++this.#moment;
    write.mustExpire = now + ttlMs;
    return version === undefined ? null : this.version(version, write.floor, write.key);
  }

  /** A version was given out: higher than any that was known before the write began, and nobody else's. */
  version(version: number, floor: number, key: string): string | null {
    if (version <= floor) return `stored "${key}" as version ${version}, after ${floor} had been given out`;
    if (this.#versions.has(version)) return `stored "${key}" as version ${version}, which another write has`;
    this.#versions.add(version);
    this.#highest = Math.max(this.#highest, version);
    return null;
  }

  /** The highest version that was acknowledged. */
  get highest(): number {
    return this.#highest;
  }

  /** A read leaves its client. */
  beginRead(key: string, now: number): Read {
    return { key, began: ++this.#moment, time: now };
  }

  /** A read was answered. */
  check(read: Read, value: string | null, now: number): string | null {
    const writes = this.#of(read.key);
    const allowed = writes.some((write) => this.#mayShow(write, value, writes, read, now)) ||
      (value === null && !writes.some((write) => write.ended < read.began && write.mayExpire > now));
    if (allowed) return null;
    const written = writes.find((write) => write.value === value && value !== null);
    if (value !== null && !written) return `read "${read.key}" as "${value}", which nobody wrote`;
    if (written?.refused) return `read "${read.key}" as "${value}", a write that was refused`;
    const last = writes.findLast((write) => write.ended < read.began);
    return `read "${read.key}" as ${JSON.stringify(value)} although ${
      JSON.stringify(last?.value ?? null)
    } was acknowledged`;
  }

  #mayShow(write: Write, value: string | null, writes: readonly Write[], read: Read, now: number): boolean {
    if (write.refused) return false;
    const expired = value === null && write.mayExpire <= now;
    if (write.value !== value && !expired) return false;
    if (value !== null && write.mustExpire <= read.time) return false;
    return !writes.some((later) => {
      return !later.refused && later.began > write.ended && later.ended < read.began;
    });
  }

  #of(key: string): Write[] {
    let writes = this.#writes.get(key);
    if (!writes) this.#writes.set(key, writes = []);
    return writes;
  }
}

/** A number that many raise with compare-and-set, each by one. */
export class CounterBook {
  /** Swaps that were acknowledged, by the version they replaced. */
  readonly #wins = new Map<number, string>();
  /** Swaps of which nobody knows how they ended. */
  #unknown = 0;

  /** A swap was acknowledged. */
  won(expected: number, by: string): string | null {
    const other = this.#wins.get(expected);
    this.#wins.set(expected, by);
    return other === undefined ? null : `both ${other} and ${by} replaced version ${expected} of the counter`;
  }

  /** Nobody knows whether a swap happened. */
  lost(): void {
    this.#unknown++;
  }

  /** What the number may be now. */
  check(value: number): string | null {
    const least = this.#wins.size;
    if (value >= least && value <= least + this.#unknown) return null;
    return `the counter is ${value} after ${least} acknowledged swaps and ${this.#unknown} unknown ones`;
  }
}
