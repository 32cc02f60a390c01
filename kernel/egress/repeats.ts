/**
 * Lines of the audit log about things an agent can do thousands of times a second: the first is written at once, those
 * like it within the next seconds are counted and written as one.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { AuditEntry } from "../audit/entry.ts";

/** For so long lines like the first are counted. */
const WINDOW_MS = 10_000;
/** Kinds of lines that are told apart at once; all beyond are counted together. */
const MOST_KINDS = 256;
/** The kind of what is beyond. */
const OTHERS = "";

/** Numbers that are added up over repeated lines. */
export type Sums = Readonly<Record<string, number>>;

interface Pending {
  readonly entry: AuditEntry;
  count: number;
  sums: Record<string, number>;
  readonly cancel: () => void;
}

/** Counts what repeats, for one agent. */
export class RepeatedLines {
  readonly #clock: Clock;
  readonly #write: (entry: AuditEntry) => void;
  readonly #pending = new Map<string, Pending>();

  /** @param write Takes the lines. */
  constructor(clock: Clock, write: (entry: AuditEntry) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /**
   * Writes a line, or counts it.
   *
   * @param kind Equal for lines that may be counted together; not empty.
   * @param sums What is added up, and becomes part of the line's details.
   * @returns Whether it was written.
   */
  add(kind: string, entry: AuditEntry, sums: Sums = {}): boolean {
    const known = this.#pending.get(kind);
    if (known) return this.#count(known, sums);
    const others = this.#pending.get(OTHERS);
    if (this.#pending.size >= MOST_KINDS) {
      if (others) return this.#count(others, sums);
      this.#begin(OTHERS, { ...entry, details: { note: "many different ones, counted together" } });
    } else this.#begin(kind, entry);
    this.#write({ ...entry, details: { ...entry.details, ...sums } });
    return true;
  }

  /** Writes what was counted so far. */
  flush(): void {
    for (const kind of [...this.#pending.keys()]) this.#end(kind, true);
  }

  #begin(kind: string, entry: AuditEntry): void {
    const cancel = this.#clock.timer(WINDOW_MS, () => this.#end(kind, false));
    this.#pending.set(kind, { entry, count: 0, sums: {}, cancel });
  }

  #count(pending: Pending, sums: Sums): false {
    pending.count++;
    for (const [name, value] of Object.entries(sums)) {
      pending.sums[name] = (pending.sums[name] ?? 0) + value;
    }
    return false;
  }

  #end(kind: string, last: boolean): void {
    const pending = this.#pending.get(kind)!;
    pending.cancel();
    this.#pending.delete(kind);
    if (pending.count === 0) return;
    const { entry, count, sums } = pending;
    this.#write({ ...entry, details: { ...entry.details, ...sums, repeated: count } });
    // What goes on is counted on, without another first line.
    if (!last) this.#begin(kind, entry);
  }
}
