/**
 * Answers that hold for good: rights of agents by their lineage, given again whenever such an agent is spawned.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { SyscallError } from "@clove/sdk/protocol";
import type { Storage } from "../storage/storage.ts";

/** A right that is kept. */
export interface KeptRight {
  /** See {@link lineageOf}. */
  readonly lineage: string;
  /** Canonical, one a line. */
  readonly rules: string;
  /** When it was given, in epoch milliseconds. */
  readonly at: number;
}

/** Of one lineage; an agent holds no more than 256 grants in all. */
const MOST_OF_ONE = 64;
/** Of all: every one is an operator's word, so this is no limit for people. */
const MOST = 4_096;

const STEPS = [
  `CREATE TABLE kept_rights (
    lineage TEXT NOT NULL,
    rules TEXT NOT NULL,
    at REAL NOT NULL,       -- epoch milliseconds
    PRIMARY KEY (lineage, rules)
  ) STRICT, WITHOUT ROWID;`,
];

/** See above. */
export class KeptRights {
  readonly #storage: Storage;
  readonly #of: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  /** Makes or updates its table. */
  constructor(storage: Storage) {
    this.#storage = storage;
    storage.migrate("approvals", STEPS);
    const { db } = storage;
    this.#of = db.prepare("SELECT lineage, rules, at FROM kept_rights WHERE lineage = ? ORDER BY at, rules");
    this.#all = db.prepare("SELECT lineage, rules, at FROM kept_rights ORDER BY lineage, at, rules");
    this.#count = db.prepare(
      "SELECT count(*) AS all_of_them, count(*) FILTER (WHERE lineage = ?) AS own FROM kept_rights",
    );
    this.#put = db.prepare("INSERT OR IGNORE INTO kept_rights VALUES (?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM kept_rights WHERE lineage = ? AND rules = ?");
  }

  /** Those of one lineage, the oldest first. */
  of(lineage: string): KeptRight[] {
    return this.#of.all(lineage) as unknown as KeptRight[];
  }

  /** All, by lineage. */
  all(): KeptRight[] {
    return this.#all.all() as unknown as KeptRight[];
  }

  /**
   * Keeps a right; durable when this resolves.
   *
   * @throws {SyscallError} `limit`, or `unavailable` when it cannot be stored.
   */
  async keep(right: KeptRight): Promise<void> {
    const { lineage, rules, at } = right;
    const full = await this.#storage.transact(() => {
      const { own, all_of_them } = this.#count.get(lineage) as { own: number; all_of_them: number };
      if (own >= MOST_OF_ONE || all_of_them >= MOST) return true;
      this.#put.run(lineage, rules, at);
      return false;
    });
    if (full) {
      throw new SyscallError("limit", `Cannot keep a further right for "${lineage}": forget some first`);
    }
  }

  /** Forgets a right; durable when this resolves. @returns Whether it was kept. */
  async forget(lineage: string, rules: string): Promise<boolean> {
    return await this.#storage.transact(() => Number(this.#remove.run(lineage, rules).changes) > 0);
  }
}
