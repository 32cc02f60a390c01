import { ok, rejects, strictEqual } from "node:assert/strict";
import { lacks } from "../../tests/facilities.ts";
import { systemClock } from "../../worlds/clock.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { Log } from "../log.ts";
import { openStorage } from "./storage.ts";

/** Mounting a small file system takes root, which a container may be without the right to mount. */
function mounted(dir: string): boolean {
  if (lacks("root")) return false;
  return new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=1m", "clove-test", dir] }).outputSync()
    .success;
}

const probe = Deno.makeTempDirSync({ prefix: "clove-full-" });
const canMount = mounted(probe);
if (canMount) new Deno.Command("umount", { args: [probe] }).outputSync();
Deno.removeSync(probe);

Deno.test({
  name: "a full disk refuses exactly the writers that do not fit, shows nothing of them, and recovers",
  ignore: !canMount,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "clove-full-" });
    ok(mounted(dir));
    try {
      const storage = openStorage({
        dir,
        clock: systemClock,
        log: new Log({ level: "error", format: "text", write: () => {} }),
      });
      storage.migrate("test", ["CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT NOT NULL)"]);
      let shown = 0;
      const put = (k: string, bytes: number) =>
        storage.transact((db) => {
          shown++;
          db.prepare("INSERT INTO t VALUES (?, ?)").run(k, "x".repeat(bytes));
        }, () => shown--);
      const results = await Promise.allSettled([put("a", 10), put("huge", 2 << 20), put("b", 10)]);
      strictEqual(results.map((result) => result.status).join(), "fulfilled,rejected,fulfilled");
      const { reason } = results[1] as PromiseRejectedResult;
      ok(reason instanceof SyscallError && reason.code === "unavailable");
      ok(
        /^Cannot store in ".*clove\.db": the disk is full, free some space$/.test(reason.message),
        reason.message,
      );
      strictEqual(shown, 2);

      storage.write((db) => db.prepare("INSERT INTO t VALUES ('plain', ?)").run("x".repeat(2 << 20)));
      await rejects(storage.committed(), /the disk is full/);
      await put("c", 10);
      const keys = storage.db.prepare("SELECT group_concat(k, '') AS keys FROM t").get();
      strictEqual(keys?.keys, "abc");
      await storage.close();
    } finally {
      new Deno.Command("umount", { args: [dir] }).outputSync();
      await Deno.remove(dir);
    }
  },
});
