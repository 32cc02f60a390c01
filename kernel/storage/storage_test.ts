import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { systemClock } from "../../worlds/clock.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { Log } from "../log.ts";
import { openStorage, type Storage } from "./storage.ts";

const quiet = new Log({ level: "error", format: "text", write: () => {} });
const open = (dir: string | null, clock = systemClock): Storage => openStorage({ dir, clock, log: quiet });
const TABLE = "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)";
const rows = (storage: Storage) =>
  storage.db.prepare("SELECT k, v FROM t ORDER BY k").all().map((row) => ({ ...row }));
const put = (storage: Storage, k: string, v = 1) =>
  storage.transact((db) => void db.prepare("INSERT INTO t VALUES (?, ?)").run(k, v));

/** Runs the body with a data directory of its own. */
async function inDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-storage-" });
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a second kernel is refused the data directory by name, and gets it when the first is gone", async () => {
  await inDir(async (dir) => {
    const first = open(dir);
    throws(
      () => open(dir),
      new RegExp(`Cannot use the data directory "${dir}": the kernel with process id ${Deno.pid}`),
    );
    // Closing any other descriptor of the database must not give the lock away.
    Deno.readFileSync(`${dir}/clove.db`);
    throws(() => open(dir), /holds it/);
    await first.close();
    await open(dir).close();
  });
});

Deno.test("a directory that cannot be used is refused with the reason", async () => {
  await inDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/file`, "");
    throws(() => open(`${dir}/file`), /Cannot use the data directory ".*file": /);
    Deno.writeTextFileSync(
      `${dir}/clove.db`,
      "this is no database, and long enough to be sure of that".repeat(50),
    );
    throws(() => open(dir), /Cannot use the data directory .*not a database/);
    Deno.removeSync(`${dir}/clove.db`);
    await open(dir).close();
  });
});

Deno.test("tables of a newer kernel are refused, older ones are brought up to date, and data stays", async () => {
  await inDir(async (dir) => {
    const one = open(dir);
    one.migrate("test", [TABLE]);
    await put(one, "a");
    await one.close();
    const two = open(dir);
    two.migrate("test", [TABLE, "ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'x'"]);
    deepStrictEqual({ ...two.db.prepare("SELECT * FROM t").get() }, { k: "a", v: 1, extra: "x" });
    throws(
      () => two.migrate("test", [TABLE]),
      /Cannot use the tables of "test": they are version 2, this kernel knows 1/,
    );
    throws(() => two.migrate("other", [TABLE, "nonsense"]), /already exists|syntax/);
    strictEqual(two.db.prepare("SELECT * FROM schema_versions WHERE service = 'other'").get(), undefined);
    await two.close();
    for (const { name } of Deno.readDirSync(dir)) {
      strictEqual(Deno.statSync(`${dir}/${name}`).mode! & 0o777, 0o600, name);
    }
  });
});

for (const where of ["memory", "a file"] as const) {
  Deno.test(`writes of one turn commit together in ${where}, in order, before anyone is told`, async () => {
    await inDir(async (dir) => {
      const storage = open(where === "memory" ? null : dir);
      storage.migrate("test", [TABLE]);
      const told: string[] = [];
      const all = ["a", "b", "c"].map((k, v) => put(storage, k, v).then(() => told.push(k)));
      strictEqual(rows(storage).length, 0, "nothing is written in the turn itself");
      const committed = storage.committed();
      await Promise.all(all);
      await committed;
      deepStrictEqual(told, ["a", "b", "c"]);
      strictEqual(rows(storage).length, 3);
      await storage.committed();
      await storage.close();
    });
  });

  Deno.test(`a write that throws in ${where} fails alone, and what it did is undone`, async () => {
    await inDir(async (dir) => {
      const storage = open(where === "memory" ? null : dir);
      storage.migrate("test", [TABLE]);
      let balance = 0;
      const counted = (k: string, fail: boolean) =>
        storage.transact((db) => {
          balance++;
          db.prepare("INSERT INTO t VALUES (?, 1)").run(k);
          if (fail) throw new RangeError("no");
          return k;
        }, () => balance--);
      const results = await Promise.allSettled([
        counted("a", false),
        counted("b", true),
        counted("c", false),
      ]);
      deepStrictEqual(results.map((result) => result.status), ["fulfilled", "rejected", "fulfilled"]);
      ok((results[1] as PromiseRejectedResult).reason instanceof RangeError);
      deepStrictEqual(rows(storage).map((row) => row.k), ["a", "c"]);
      strictEqual(balance, 2);
      await storage.close();
    });
  });
}

Deno.test("committed() rejects for a turn with a failed plain write, and not for the next one", async () => {
  const storage = open(null);
  storage.migrate("test", [TABLE]);
  storage.write((db) => db.exec("INSERT INTO nowhere VALUES (1)"));
  await rejects(storage.committed(), /no such table/);
  storage.write((db) => db.exec("INSERT INTO t VALUES ('fine', 1)"));
  storage.flush();
  strictEqual(rows(storage).length, 1, "flush makes it readable at once");
  await storage.committed();
  await storage.close();
});

Deno.test("nothing is stored after close, and what was queued before it is", async () => {
  await inDir(async (dir) => {
    const storage = open(dir);
    storage.migrate("test", [TABLE]);
    const last = put(storage, "last");
    await storage.close();
    await last;
    await rejects(
      put(storage, "late"),
      (error) => error instanceof SyscallError && error.code === "unavailable",
    );
    storage.write(() => {});
    await rejects(storage.committed(), /Cannot store: the kernel is stopping/);
    await storage.close();
    const again = open(dir);
    deepStrictEqual(rows(again), [{ k: "last", v: 1 }]);
    await again.close();
  });
});

Deno.test("a slow disk is waited for in a thread: turns go on, commit meanwhile, and are told in order", async () => {
  await inDir(async (dir) => {
    let time = 0;
    const storage = open(dir, { ...systemClock, monotonic: () => time++ }); // Every sync seems to take a millisecond.
    storage.migrate("test", [TABLE]);
    await put(storage, "first"); // In place, because nothing is known yet.
    const told: string[] = [];
    const early = put(storage, "early").then(() => told.push("early"));
    storage.flush();
    strictEqual(rows(storage).length, 2);
    await Promise.resolve();
    strictEqual(told.length, 0, "told before it was synced");
    const late = put(storage, "late").then(() => told.push("late"));
    storage.flush();
    const committed = storage.committed().then(() => told.push("committed"));
    await Promise.all([early, late, committed]);
    deepStrictEqual(told, ["early", "late", "committed"]);
    const queued = put(storage, "queued");
    await storage.close();
    await queued;
  });
});
