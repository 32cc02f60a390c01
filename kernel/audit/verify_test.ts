import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../worlds/clock.ts";
import { Log } from "../log.ts";
import { openStorage } from "../storage/storage.ts";
import { Audit } from "./audit.ts";
import { verifyAudit } from "./offline.ts";

const LINES = 1_500; // More than one seal's worth.
const logged: string[] = [];
const log = new Log({ level: "error", format: "text", write: (text) => logged.push(text) });

/** A kernel's life: opens, writes, and ends in order, or as if it had been killed. */
async function live(dir: string, lines: number, end: "closed" | "killed" = "closed"): Promise<void> {
  const storage = openStorage({ dir, clock: systemClock, log });
  const audit = new Audit({ clock: systemClock, log, storage });
  for (let n = 1; n <= lines; n++) {
    audit.write({
      category: "AGENT_LIFECYCLE",
      event_type: "AGENT_SPAWNED",
      agent_id: n % 7,
      details: { n },
    });
    if (n % 100 === 0) await audit.flush();
  }
  await audit.flush();
  if (end === "closed") await audit.close();
  else await audit.abandon();
  await storage.close();
}

async function withDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-audit-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function sql(dir: string, text: string): void {
  const db = new DatabaseSync(`${dir}/clove.db`);
  db.exec(text);
  db.close();
}

function verdict(dir: string): [number, string | undefined, number | undefined] {
  const { exit_code, problem } = verifyAudit(dir);
  return [exit_code, problem?.kind, problem?.line_id];
}

const SWAP = (a: number, b: number, columns: string[]): string =>
  `CREATE TEMP TABLE t AS SELECT * FROM audit_lines WHERE id IN (${a}, ${b});` +
  [[a, b], [b, a]].map(([to, from]) =>
    `UPDATE audit_lines SET ${
      columns.map((column) => `${column} = (SELECT ${column} FROM t WHERE id = ${from})`).join(", ")
    } WHERE id = ${to};`
  ).join("");
const CONTENT = ["at", "category", "event_type", "agent_id", "agent_name", "success", "details"];

const TAMPERINGS: Record<string, [text: string, kind: string, line: number]> = {
  "a changed detail": [`UPDATE audit_lines SET details = '{"n":0}' WHERE id = 700`, "changed", 700],
  "a changed time": ["UPDATE audit_lines SET at = at - 1 WHERE id = 1", "changed", 1],
  "a refusal that became a success": [
    "UPDATE audit_lines SET success = 1 - success WHERE id = 1500",
    "changed",
    1500,
  ],
  "a changed hash": ["UPDATE audit_lines SET hash = zeroblob(32) WHERE id = 3", "changed", 3],
  "a removed line": ["DELETE FROM audit_lines WHERE id = 700", "removed", 700],
  "the first line removed": ["DELETE FROM audit_lines WHERE id = 1", "removed", 1],
  "the last line removed": ["DELETE FROM audit_lines WHERE id = 1500", "removed", 1500],
  "all lines removed": ["DELETE FROM audit_lines", "removed", 1],
  "the last lines and their seals removed": [
    "DELETE FROM audit_lines WHERE id > 1400; DELETE FROM audit_seals WHERE id > 1400",
    "removed",
    1401,
  ],
  "everything removed but the log's own id": [
    "DELETE FROM audit_lines; DELETE FROM audit_seals",
    "removed",
    1,
  ],
  "two lines that changed places": [SWAP(20, 21, CONTENT), "reordered", 20],
  "two lines that changed places with their hashes": [SWAP(20, 120, [...CONTENT, "hash"]), "reordered", 20],
  "a line added after the end": [
    "INSERT INTO audit_lines SELECT 1501, at, category, event_type, agent_id, agent_name, success, details, hash FROM audit_lines WHERE id = 1500",
    "changed",
    1501,
  ],
  "a forged seal": ["UPDATE audit_seals SET id = 1400, kind = 'closed' WHERE number = 2", "forged", 1400],
  "another log's id": ["UPDATE audit_meta SET value = '00' WHERE key = 'log_id'", "forged", 0],
};

Deno.test("what somebody did to a closed log is found, and the first line that differs is named", () =>
  withDir(async (dir) => {
    await live(dir, LINES);
    deepStrictEqual(verdict(dir), [0, undefined, undefined]);
    for (const [name, [text, kind, line]] of Object.entries(TAMPERINGS)) {
      await withDir(async (copy) => {
        for await (const { name } of Deno.readDir(dir)) {
          await Deno.copyFile(`${dir}/${name}`, `${copy}/${name}`);
        }
        sql(copy, text);
        deepStrictEqual(verdict(copy), [1, kind, line], name);
      });
    }
    deepStrictEqual(verdict(dir), [0, undefined, undefined], "verifying changes nothing");
  }));

Deno.test("a chain that was computed anew is found by its signatures", () =>
  withDir(async (dir) => {
    await live(dir, LINES);
    await withDir(async (other) => {
      // Same log id, another key: all the forger lacks.
      const id = new DatabaseSync(`${dir}/clove.db`);
      const logId = String(id.prepare("SELECT value FROM audit_meta WHERE key = 'log_id'").get()!.value);
      id.close();
      const storage = openStorage({ dir: other, clock: systemClock, log });
      const random = { float: () => 0, uuid: () => "", bytes: () => Uint8Array.fromHex(logId) };
      const audit = new Audit({ clock: systemClock, log, storage, random });
      for (let n = 0; n < LINES; n++) {
        audit.write({ category: "SECURITY", event_type: "NOTHING_HAPPENED", agent_id: 1, details: {} });
      }
      await audit.close();
      await storage.close();
      sql(
        dir,
        `ATTACH '${other}/clove.db' AS other; DELETE FROM audit_lines; INSERT INTO audit_lines SELECT * FROM other.audit_lines`,
      );
      deepStrictEqual(verdict(dir), [1, "changed", 1]);
      sql(
        dir,
        `ATTACH '${other}/clove.db' AS other; DELETE FROM audit_seals; INSERT INTO audit_seals SELECT * FROM other.audit_seals`,
      );
      strictEqual(verdict(dir)[1], "forged");
    });
  }));

Deno.test("the end of a killed kernel's log is torn, not tampered with, and the next kernel says so in it", () =>
  withDir(async (dir) => {
    await live(dir, 20, "killed");
    deepStrictEqual(verdict(dir), [3, undefined, undefined]);
    match(verifyAudit(dir).message, /torn tail: 20 lines fit together/);
    await withDir(async (copy) => {
      for await (const { name } of Deno.readDir(dir)) {
        await Deno.copyFile(`${dir}/${name}`, `${copy}/${name}`);
      }
      sql(copy, "DELETE FROM audit_lines WHERE id = 7");
      deepStrictEqual(verdict(copy), [1, "removed", 7], "a torn tail hides nothing before it");
    });
    await live(dir, 3);
    deepStrictEqual(verdict(dir), [0, undefined, undefined]);
    const db = new DatabaseSync(`${dir}/clove.db`, { readOnly: true });
    strictEqual(
      db.prepare("SELECT event_type FROM audit_lines WHERE id = 21").get()!.event_type,
      "AUDIT_RECOVERED",
    );
    db.close();
  }));

Deno.test("a kernel that takes up a log with a missing end writes on, but the gap stays visible for ever", () =>
  withDir(async (dir) => {
    await live(dir, 50);
    sql(dir, "DELETE FROM audit_lines WHERE id > 40; DELETE FROM audit_seals WHERE id > 40");
    await live(dir, 30);
    match(logged.join("\n"), /lines 41 to 50 were removed from the end/);
    deepStrictEqual(verdict(dir), [1, "changed", 41]);
  }));

Deno.test("a log is not verified without its key, nor opened, nor while a kernel holds it", () =>
  withDir(async (dir) => {
    throws(() => verifyAudit(dir), /there is no audit log/);
    const storage = openStorage({ dir, clock: systemClock, log });
    const audit = new Audit({ clock: systemClock, log, storage });
    throws(() => verifyAudit(dir), /a running kernel holds it/);
    await audit.close();
    await storage.close();
    strictEqual((await Deno.stat(`${dir}/audit.key`)).mode! & 0o777, 0o600);
    await Deno.chmod(`${dir}/audit.key`, 0o644);
    throws(() => verifyAudit(dir), /others may read it/);
    await Deno.remove(`${dir}/audit.key`);
    throws(() => verifyAudit(dir), /"audit.key" is missing/);
    const again = openStorage({ dir, clock: systemClock, log });
    throws(() => new Audit({ clock: systemClock, log, storage: again }), /its key .* is missing, restore it/);
    await again.close();
  }));

Deno.test("a database that is no database any more counts as tampered with", () =>
  withDir(async (dir) => {
    await live(dir, 10);
    await Deno.writeTextFile(`${dir}/clove.db`, "x".repeat(10_000));
    deepStrictEqual(verdict(dir), [1, "damaged", 1]);
  }));

Deno.test("a log that is closed within one turn is signed, with all its lines", () =>
  withDir(async (dir) => {
    const storage = openStorage({ dir, clock: systemClock, log });
    const audit = new Audit({ clock: systemClock, log, storage });
    for (let n = 1; n <= 300; n++) {
      audit.write({ category: "SECURITY", event_type: "OPERATOR_CONNECTED", agent_id: 1, details: { n } });
    }
    audit.closeNow();
    await withDir((copy) => {
      // What a process that ends now leaves behind.
      for (const name of ["clove.db", "clove.db-wal", "audit.key"]) {
        Deno.copyFileSync(`${dir}/${name}`, `${copy}/${name}`);
      }
      const { exit_code, last_id, signed_id } = verifyAudit(copy);
      deepStrictEqual([exit_code, last_id, signed_id], [0, 300, 300]);
      return Promise.resolve();
    });
    await audit.close();
    await storage.close();
    deepStrictEqual(verdict(dir), [0, undefined, undefined]);
  }));
