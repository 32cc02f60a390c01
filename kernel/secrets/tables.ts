/**
 * The table of the secrets: names in the clear, values sealed.
 *
 * @module
 */
import type { Storage } from "../storage/storage.ts";

const STEPS = [
  `
  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    sealed BLOB NOT NULL,  -- nonce, ciphertext, tag
    created REAL NOT NULL, -- epoch milliseconds
    updated REAL NOT NULL
  ) STRICT;
  `,
];

/** One row. */
export interface SecretRow {
  readonly name: string;
  readonly sealed: Uint8Array;
  readonly created: number;
  readonly updated: number;
}

/** What is done with the table. */
export interface SecretStatements {
  all(): SecretRow[];
  put(row: SecretRow): void;
  remove(name: string): void;
}

/** Makes or updates the table. */
export function prepareTables(storage: Storage): SecretStatements {
  storage.migrate("secrets", STEPS);
  const { db } = storage;
  const all = db.prepare("SELECT name, sealed, created, updated FROM secrets");
  const put = db.prepare(
    "INSERT INTO secrets VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, " +
      "updated = excluded.updated",
  );
  const remove = db.prepare("DELETE FROM secrets WHERE name = ?");
  return {
    all: () => all.all() as unknown as SecretRow[],
    put: ({ name, sealed, created, updated }) => void put.run(name, sealed, created, updated),
    remove: (name) => void remove.run(name),
  };
}
