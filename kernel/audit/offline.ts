/**
 * Verifying a log whose kernel does not run.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { resolve } from "node:path";
import { placesOf, readNoted } from "./places.ts";
import { Sealer } from "./seal.ts";
import { AuditTables } from "./tables.ts";
import { type AuditReport, examine } from "./verify.ts";

export type { AuditFault, AuditReport } from "./verify.ts";

/**
 * Reads the audit log of a data directory without changing it; needs the right to read its files, the key included.
 *
 * What it cannot see: lines taken off the end after the last signature of a kernel that was killed (they look like a
 * torn tail), and a whole directory put back to an earlier state. Against the latter compare `head` and `last_id` with
 * what was noted elsewhere.
 *
 * @param dataDir Such as `~/.local/state/clove`.
 * @throws {Error} When there is no log, its key is missing, or a running kernel holds the directory.
 */
export function verifyAudit(dataDir: string): AuditReport {
  const database = `${resolve(dataDir)}/clove.db`;
  const places = placesOf(database);
  if (!exists(database) && !exists(places.head)) {
    throw new Error(`Cannot verify "${dataDir}": there is no audit log, name the data directory with --data`);
  }
  // Held to the end, so that no kernel starts meanwhile.
  using _lock = shareLock(dataDir);
  if (!exists(places.key)) {
    throw new Error(`Cannot verify "${dataDir}": the key "audit.key" is missing, restore it`);
  }
  const sealer = Sealer.fromFile(places.key, false);
  const noted = readNoted(places.head);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(database, { readOnly: true });
    const tables = new AuditTables(db);
    return examine({ tables, logId: tables.meta("log_id") ?? "", sealer, noted, tip: null });
  } catch (cause) {
    const detail = `the database cannot be read: ${(cause as Error).message}`;
    // The key and the noted seal show that there was a log: what is unreadable now has been damaged.
    return {
      status: "tampered",
      exit_code: 1,
      lines: 0,
      first_id: 1,
      last_id: 0,
      head: "",
      signed_id: 0,
      key: sealer.fingerprint,
      problem: { kind: "damaged", line_id: 1, detail },
      message: `The audit log was tampered with: ${detail}`,
    };
  } finally {
    db?.close();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function shareLock(dataDir: string): Disposable {
  const path = `${dataDir}/clove.lock`;
  if (!exists(path)) return { [Symbol.dispose]() {} };
  const file = Deno.openSync(path);
  if (file.tryLockSync(false)) return file;
  file.close();
  throw new Error(
    `Cannot verify "${dataDir}": a running kernel holds it, ask that one with clove audit verify without --data`,
  );
}
