/**
 * Each service owns its tables and the steps that bring them up to date.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";

/**
 * Runs the steps that are missing, all or none. See {@link Storage.migrate}.
 *
 * @throws {Error} When the tables are newer than `steps`, or a step fails.
 */
export function migrate(db: DatabaseSync, service: string, steps: readonly string[]): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(
      "CREATE TABLE IF NOT EXISTS schema_versions (service TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
    );
    const row = db.prepare("SELECT version FROM schema_versions WHERE service = ?").get(service);
    const found = Number(row?.version ?? 0);
    if (found > steps.length) {
      throw new Error(
        `Cannot use the tables of "${service}": they are version ${found}, this kernel knows ${steps.length}, ` +
          "use the newer kernel or another data directory",
      );
    }
    for (const step of steps.slice(found)) db.exec(step);
    db.prepare("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)").run(service, steps.length);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
