/**
 * A database in memory that knows which of its transactions a power cut would take back.
 *
 * Transactions become savepoints that stay open until they are synced, so a cut is a rollback to one of them.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** SQLITE_FULL of https://sqlite.org/rescode.html. */
const FULL = 13;

/** Committed and synced are two things here, as on a disk. */
export class TurnDatabase extends DatabaseSync {
  /** True: nothing can be committed. */
  full = false;
  /** Open savepoints, one for each transaction that is committed and not released. */
  #committed = 0;
  /** How many of them are known to be synced. */
  #synced = 0;
  #inTransaction = false;

  /** Empty. */
  constructor() {
    super(":memory:");
    // Only what the kernel began counts: the savepoints below are the disk's business.
    Object.defineProperty(this, "isTransaction", { get: () => this.#inTransaction });
  }

  /** Statements that begin and end transactions become the acts of this class. */
  override prepare(sql: string): StatementSync {
    const act = this.#act(sql);
    return act ? { run: act } as unknown as StatementSync : super.prepare(sql);
  }

  /** As {@link prepare}. */
  override exec(sql: string): void {
    const act = this.#act(sql);
    if (act) act();
    else super.exec(sql);
  }

  /** Stays open: what is on a disk is still there when nobody uses it. */
  override close(): void {}

  /** Begins a sync; the function it returns ends it: what was committed before is durable then. */
  sync(): () => void {
    const covered = this.#committed;
    return () => {
      this.#synced = Math.max(this.#synced, covered);
      if (this.#synced < this.#committed || this.#committed === 0 || this.#inTransaction) return;
      super.exec("RELEASE turn_0");
      this.#committed = this.#synced = 0;
    };
  }

  /**
   * What a disk holds after a power cut: everything synced, and of the rest as many transactions as `choose`
   * says, oldest first.
   *
   * @param choose Gets the least and the most that may be kept.
   * @returns A new database; this one may still be written to by whoever has not noticed, and nobody will
   * know.
   */
  cut(choose: (least: number, most: number) => number): TurnDatabase {
    if (this.#inTransaction) throw new Error("Cannot cut the power within a transaction: nothing runs then");
    const kept = choose(this.#synced, this.#committed);
    if (kept < this.#committed) super.exec(`ROLLBACK TO turn_${kept}`);
    if (this.#committed > 0) super.exec("RELEASE turn_0");
    this.#committed = this.#synced = 0;
    const next = new TurnDatabase();
    const tables = super.prepare(
      "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid",
    )
      .all() as { type: string; name: string; sql: string }[];
    for (const { sql } of tables) next.exec(sql);
    for (const { type, name } of tables) if (type === "table") this.#copy(name, next);
    return next;
  }

  #copy(table: string, next: TurnDatabase): void {
    const rows = super.prepare(`SELECT * FROM "${table}"`).all();
    if (rows.length === 0) return;
    const columns = Object.keys(rows[0]!);
    const insert = next.prepare(`INSERT INTO "${table}" VALUES (${columns.map(() => "?").join()})`);
    for (const row of rows) insert.run(...columns.map((column) => row[column]!));
  }

  #act(sql: string): (() => void) | null {
    if (sql === "BEGIN IMMEDIATE") return () => this.#begin();
    if (sql === "COMMIT") return () => this.#commit();
    return sql === "ROLLBACK" ? () => this.#rollback() : null;
  }

  #begin(): void {
    super.exec(`SAVEPOINT turn_${this.#committed}`);
    this.#inTransaction = true;
  }

  #commit(): void {
    if (this.full) throw Object.assign(new Error("database or disk is full"), { errcode: FULL });
    this.#inTransaction = false;
    this.#committed++;
  }

  #rollback(): void {
    super.exec(`ROLLBACK TO turn_${this.#committed}; RELEASE turn_${this.#committed}`);
    this.#inTransaction = false;
  }
}
