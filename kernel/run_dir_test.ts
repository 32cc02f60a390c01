import { ok } from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lacks } from "../tests/facilities.ts";
import { Log } from "./log.ts";
import { makeRunDir } from "./run_dir.ts";

const log = new Log({ level: "error", format: "text", write: () => {}, now: () => 0 });

function leftBy(owner: string): string {
  const path = mkdtempSync(join(tmpdir(), "clove-run-"));
  writeFileSync(join(path, "kernel.pid"), owner);
  return path;
}

Deno.test("directories of kernels that live, here or in another container, are left alone", {
  ignore: lacks("linux"),
}, () => {
  const living = makeRunDir(log);
  const elsewhere = leftBy("1 12345 pid:[1]");
  const other = makeRunDir(log);
  try {
    ok(existsSync(living.path) && existsSync(elsewhere));
  } finally {
    for (const directory of [living, other]) directory.remove();
    rmSync(elsewhere, { recursive: true });
  }
});

Deno.test(
  "the directory of a kernel that is gone is removed by the next one",
  { ignore: lacks("linux") },
  () => {
    const gone = leftBy(`${Deno.pid} 1 ${Deno.readLinkSync("/proc/self/ns/pid")}`);
    const next = makeRunDir(log);
    next.remove();
    ok(!existsSync(gone));
  },
);
