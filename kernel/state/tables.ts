/**
 * The state store's tables and statements.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Storage } from "../storage/storage.ts";

const STEPS = [
  `
  CREATE TABLE state (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,      -- JSON
    version INTEGER NOT NULL,
    expires REAL,             -- epoch milliseconds
    account TEXT NOT NULL     -- who pays; empty: nobody
  ) STRICT;
  CREATE UNIQUE INDEX state_keys ON state (namespace, key);
  CREATE INDEX state_expiry ON state (expires) WHERE expires IS NOT NULL;
  CREATE TABLE state_versions (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    reserved INTEGER NOT NULL -- versions up to here may have been given out
  ) STRICT;
  INSERT INTO state_versions VALUES (1, 0);
  `,
];

/** Every statement, prepared once. */
export interface Statements {
  /** `(namespace, key)` -> `value, version, expires`. */
  readonly get: StatementSync;
  /** `(namespace, key)` -> `bytes, expires, account`. */
  readonly head: StatementSync;
  /** `(namespace, key, value, version, expires, account)`. */
  readonly put: StatementSync;
  /** `(namespace, key)`. */
  readonly remove: StatementSync;
  /** `(namespace, from, after, below, now, limit)` -> `key`, in order of code points. */
  readonly keys: StatementSync;
  /** `(now, limit)` -> `namespace, key, bytes, account`. */
  readonly expired: StatementSync;
  /** `()` -> `expires` of the one that goes next, or null. */
  readonly nextExpiry: StatementSync;
  /** `(namespace, limit)` -> `key, bytes, account`. */
  readonly some: StatementSync;
  /** `(reserved)`. */
  readonly reserve: StatementSync;
}

/** Makes or updates the tables. */
export function prepareTables(storage: Storage): Statements {
  storage.migrate("state", STEPS);
  const { db } = storage;
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    get: prepare("SELECT value, version, expires FROM state WHERE namespace = ? AND key = ?"),
    head: prepare(
      "SELECT octet_length(value) AS bytes, expires, account FROM state WHERE namespace = ? AND key = ?",
    ),
    put: prepare(
      "INSERT INTO state VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, " +
        "version = excluded.version, expires = excluded.expires, account = excluded.account",
    ),
    remove: prepare("DELETE FROM state WHERE namespace = ? AND key = ?"),
    keys: prepare(
      "SELECT key FROM state WHERE namespace = ?1 AND key >= ?2 AND key > ?3 AND (?4 IS NULL OR key < ?4) " +
        "AND (expires IS NULL OR expires > ?5) ORDER BY key LIMIT ?6",
    ),
    expired: prepare(
      "SELECT namespace, key, octet_length(value) AS bytes, account FROM state " +
        "WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?",
    ),
    nextExpiry: prepare("SELECT expires FROM state WHERE expires IS NOT NULL ORDER BY expires LIMIT 1"),
    some: prepare("SELECT key, octet_length(value) AS bytes, account FROM state WHERE namespace = ? LIMIT ?"),
    reserve: prepare("UPDATE state_versions SET reserved = ?"),
  };
}

/** Empties the namespaces whose names begin so. */
export function dropByPrefix(db: DatabaseSync, prefixes: readonly string[]): void {
  const drop = db.prepare("DELETE FROM state WHERE namespace >= ? AND namespace < ?");
  for (const prefix of prefixes) drop.run(prefix, afterPrefix(prefix)!);
}

/**
 * The first text, in order of code points (which is SQLite's order of UTF-8 bytes), that is behind all that begin with
 * `prefix`; null when there is none.
 */
export function afterPrefix(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return null;
  // Surrogates are no characters of their own.
  points.push(last === 0xd7ff ? 0xe000 : last + 1);
  return String.fromCodePoint(...points);
}
