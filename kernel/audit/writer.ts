/**
 * Appends to the chain, signs it and drops its oldest lines; each in a transaction of the storage.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { Storage } from "../storage/storage.ts";
import { hashLine, type Link } from "./chain.ts";
import type { AuditConfig } from "./config.ts";
import type { AuditLine } from "./entry.ts";
import type { Seal, Sealer, SealKind } from "./seal.ts";
import { type AuditTables, sizeOfLine } from "./tables.ts";
import type { AuditVault } from "./vault.ts";

/** A line that gets its number when it is stored. */
export type Draft = { -readonly [K in keyof AuditLine]: AuditLine[K] };

/** What a {@link ChainWriter} works with. */
export interface WriterOptions {
  readonly storage: Storage;
  readonly tables: AuditTables;
  readonly sealer: Sealer;
  readonly logId: string;
  readonly clock: Clock;
  readonly tip: Link;
  /** The highest number of a seal. */
  readonly seals: number;
  /** The newest seal's line. */
  readonly sealed: number;
  /** Keeps the newest seal too; null in memory. */
  readonly vault: AuditVault | null;
}

/** After so many lines a seal is made: a signature takes 20 µs, a line a tenth of that. */
const SEAL_EVERY_LINES = 1_000;
/** Lines dropped in one transaction, so that nobody waits for long. */
const DROP_AT_ONCE = 2_000;

/** Everything a failed transaction takes back. */
interface State {
  readonly tip: Link;
  readonly seals: number;
  readonly sealed: number;
  readonly first: number;
  readonly oldest: number;
  readonly bytes: number;
}

/** The one writer of a log. */
export class ChainWriter {
  readonly #options: WriterOptions;
  #state: State;
  #noted = 0;
  #noting: Promise<void> = Promise.resolve();

  /** Goes on where the log ends. */
  constructor(options: WriterOptions) {
    this.#options = options;
    const { tip, seals, sealed } = options;
    this.#state = { tip, seals, sealed, ...options.tables.extent() };
  }

  /** The last line. */
  get tip(): Link {
    return this.#state.tip;
  }

  /** Lines that no seal covers yet. */
  get unsealed(): number {
    return this.#state.tip.id - this.#state.sealed;
  }

  /**
   * Stores lines and, when asked or due, a seal after them.
   *
   * @param lines Numbered here. Called when the transaction runs, so that lines may be added until then.
   * @throws {SyscallError} `unavailable` when they could not be stored; nothing has changed then.
   */
  async commit(lines: () => readonly Draft[], kind: SealKind | null = null): Promise<void> {
    const seal = await this.#transact(() => {
      for (const line of lines()) this.#append(line);
      if (kind) return this.#seal(kind, this.tip);
      return this.unsealed >= SEAL_EVERY_LINES ? this.#seal("head", this.tip) : null;
    });
    if (seal) await this.#note(seal);
  }

  /** Keeps another kernel's seal that only the file has, so that what it says about the log is not forgotten. */
  async adopt(seal: Seal): Promise<void> {
    await this.#transact(() => this.#options.tables.insertSeal(seal));
  }

  /** Whether lines are to be dropped. Some more than allowed are tolerated, so that it is not done for each line. */
  isOver(config: AuditConfig): boolean {
    const { tip, first, oldest, bytes } = this.#state;
    if (first === 0 || first >= tip.id) return false;
    const slack = Math.min(4_096, config.max_entries >> 4);
    return tip.id - first + 1 > config.max_entries + slack || bytes > config.max_bytes ||
      oldest < cutoff(config, this.#options.clock);
  }

  /** Drops the oldest lines and signs where the log now begins; at most {@link DROP_AT_ONCE}, so call again. */
  async drop(config: AuditConfig): Promise<void> {
    const seal = await this.#transact(() => {
      const { tables, clock } = this.#options;
      const { tip, first } = this.#state;
      let { bytes } = this.#state;
      const before = cutoff(config, clock);
      let last: Link | null = null;
      for (const line of tables.lines(first, first + DROP_AT_ONCE - 1)) {
        const over = line.id <= tip.id - config.max_entries || bytes > config.max_bytes || line.at < before;
        if (!over || line.id === tip.id) break;
        bytes -= sizeOfLine(line);
        last = { id: line.id, hash: line.hash };
      }
      if (!last) return null;
      tables.dropThrough(last.id);
      this.#state = { ...this.#state, bytes, first: last.id + 1, oldest: tables.timeOf(last.id + 1) };
      this.#seal("start", last);
      // The newest seal must be one over the end of the log: it alone shows when lines are taken off there.
      return this.#seal("head", this.tip);
    });
    if (seal) await this.#note(seal);
  }

  /** Resolves when the vault has the newest seal, or could not take it. */
  settled(): Promise<void> {
    return this.#noting;
  }

  #append(line: Draft): void {
    const { tables } = this.#options;
    const { tip, first, oldest, bytes } = this.#state;
    line.id = tip.id + 1;
    const hash = hashLine(tip.hash, line);
    tables.insert(line, hash);
    this.#state = {
      ...this.#state,
      tip: { id: line.id, hash },
      first: first || line.id,
      oldest: first ? oldest : line.at,
      bytes: bytes + sizeOfLine(line),
    };
  }

  #seal(kind: SealKind, { id, hash }: Link): Seal {
    const { sealer, logId, tables, clock } = this.#options;
    const number = this.#state.seals + 1;
    const seal = sealer.seal(logId, { id, hash, kind, number, at: Math.floor(clock.now()) });
    tables.insertSeal(seal);
    this.#state = { ...this.#state, seals: number, sealed: Math.max(this.#state.sealed, id) };
    return seal;
  }

  #transact<T>(run: () => T): Promise<T> {
    let before: State | null = null;
    return this.#options.storage.transact(() => {
      before = this.#state;
      return run();
    }, () => {
      if (before) this.#state = before;
    });
  }

  /** After the database has it: the vault must never be ahead of the log. */
  #note(seal: Seal): Promise<void> {
    const { vault } = this.#options;
    if (vault === null) return Promise.resolve();
    const noting = this.#noting.then(async () => {
      if (seal.number <= this.#noted) return;
      await vault.note(seal);
      this.#noted = seal.number;
    });
    // Whoever asked for this seal hears of a failure; the next one is tried all the same.
    this.#noting = noting.then(nothing, nothing);
    return noting;
  }
}

function nothing(): void {}

function cutoff({ max_age_days }: AuditConfig, clock: Clock): number {
  return max_age_days > 0 ? clock.now() - max_age_days * 86_400_000 : -Infinity;
}
