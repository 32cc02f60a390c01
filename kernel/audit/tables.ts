/**
 * The audit log's tables, and the statements on them.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Link } from "./chain.ts";
import type { AuditCategory, AuditLine } from "./entry.ts";
import type { Seal, SealKind } from "./seal.ts";

/** For `Storage.migrate`. */
export const AUDIT_TABLES: readonly string[] = [
  `CREATE TABLE audit_lines (
     id INTEGER PRIMARY KEY,
     at INTEGER NOT NULL,
     category TEXT NOT NULL,
     event_type TEXT NOT NULL,
     agent_id INTEGER NOT NULL,
     agent_name TEXT NOT NULL,
     success INTEGER NOT NULL,
     details TEXT NOT NULL,
     hash BLOB NOT NULL
   ) STRICT;
   CREATE INDEX audit_lines_agent ON audit_lines (agent_id);
   CREATE TABLE audit_seals (
     number INTEGER PRIMARY KEY,
     kind TEXT NOT NULL,
     id INTEGER NOT NULL,
     hash BLOB NOT NULL,
     at INTEGER NOT NULL,
     signature BLOB NOT NULL
   ) STRICT;
   CREATE TABLE audit_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
];

/** A line with its hash. */
export interface ChainedLine extends AuditLine {
  readonly hash: Uint8Array;
}

/** Bytes a line takes in the database, roughly: its texts, and the rest of the row with its index entry. */
export function sizeOfLine(line: AuditLine): number {
  return line.details.length + line.agent_name.length + line.event_type.length + ROW_BYTES;
}

const ROW_BYTES = 96;

/** Prepared statements of one database. */
export class AuditTables {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;

  /** The tables must be there. */
  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insert = db.prepare("INSERT INTO audit_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  }

  /** Appends a line. */
  insert(line: AuditLine, hash: Uint8Array): void {
    const { id, at, category, event_type, agent_id, agent_name, success, details } = line;
    this.#insert.run(id, at, category, event_type, agent_id, agent_name, success ? 1 : 0, details, hash);
  }

  /** A value beside the log, or null. */
  meta(key: string): string | null {
    const row = this.#db.prepare("SELECT value FROM audit_meta WHERE key = ?").get(key);
    return row ? String(row.value) : null;
  }

  /** Keeps a value beside the log. */
  setMeta(key: string, value: string): void {
    this.#db.prepare("INSERT OR REPLACE INTO audit_meta VALUES (?, ?)").run(key, value);
  }

  /** The newest line's place, or null when there is none. */
  last(): Link | null {
    const row = this.#db.prepare("SELECT id, hash FROM audit_lines ORDER BY id DESC LIMIT 1").get();
    return row ? { id: Number(row.id), hash: row.hash as Uint8Array } : null;
  }

  /** What is there: the oldest line's number and time (0 without lines), and the bytes of all. */
  extent(): { first: number; oldest: number; bytes: number } {
    const row = this.#db.prepare(
      `SELECT coalesce(min(id), 0) AS first,
              coalesce(sum(length(details) + length(agent_name) + length(event_type) + ${ROW_BYTES}), 0) AS bytes
       FROM audit_lines`,
    ).get()!;
    return { first: Number(row.first), oldest: this.timeOf(Number(row.first)), bytes: Number(row.bytes) };
  }

  /** When a line was written; 0 when it is not there. */
  timeOf(id: number): number {
    return Number(this.#db.prepare("SELECT at FROM audit_lines WHERE id = ?").get(id)?.at ?? 0);
  }

  /** Lines `from` to `to`, both included, oldest first. */
  lines(from: number, to: number): ChainedLine[] {
    return this.#db.prepare("SELECT * FROM audit_lines WHERE id >= ? AND id <= ? ORDER BY id").all(from, to)
      .map(lineOf);
  }

  /** Drops lines up to `id`, and seals of places before it. */
  dropThrough(id: number): void {
    this.#db.prepare("DELETE FROM audit_lines WHERE id <= ?").run(id);
    this.#db.prepare("DELETE FROM audit_seals WHERE id < ?").run(id);
  }

  /** Keeps a seal. */
  insertSeal({ number, kind, id, hash, at, signature }: Seal): void {
    this.#db.prepare("INSERT INTO audit_seals VALUES (?, ?, ?, ?, ?, ?)")
      .run(number, kind, id, hash, at, signature);
  }

  /** Every seal, in the order they were made. */
  seals(): Seal[] {
    return this.#db.prepare("SELECT * FROM audit_seals ORDER BY number").all().map((row) => ({
      number: Number(row.number),
      kind: row.kind as SealKind,
      id: Number(row.id),
      hash: row.hash as Uint8Array,
      at: Number(row.at),
      signature: row.signature as Uint8Array,
    }));
  }
}

/** A row of `audit_lines` as a line. */
export function lineOf(row: Record<string, unknown>): ChainedLine {
  return {
    id: Number(row.id),
    at: Number(row.at),
    category: row.category as AuditCategory,
    event_type: String(row.event_type),
    agent_id: Number(row.agent_id),
    agent_name: String(row.agent_name),
    success: row.success === 1,
    details: String(row.details),
    hash: row.hash as Uint8Array,
  };
}
