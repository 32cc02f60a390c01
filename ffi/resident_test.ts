import { deepStrictEqual, ok } from "node:assert/strict";
import { lacks } from "../tests/facilities.ts";
import { cleanMappings, dropProgramPages, trimAllocator } from "./resident.ts";

const mapping = (range: string, mode: string, path: string, anonymous: number): string =>
  `${range} ${mode} 00000000 fe:00 1234 ${path ? " ".repeat(20) + path : ""}\n` +
  `Size:                 64 kB\nRss:                  60 kB\nAnonymous:            ${anonymous} kB\n` +
  "LazyFree:              0 kB\nVmFlags: rd mr mw me sd\n";

Deno.test("of a program's mappings, those that were changed, are writable, shared or another file's are not clean", () => {
  const smaps = [
    mapping("55d0c0000000-55d0c0010000", "r--p", "/opt/a program", 0),
    mapping("55d0c0010000-55d0c0030000", "r-xp", "/opt/a program", 0),
    mapping("55d0c0030000-55d0c0040000", "r--p", "/opt/a program", 12), // relocated, then protected
    mapping("55d0c0040000-55d0c0050000", "rw-p", "/opt/a program", 0),
    mapping("55d0c0050000-55d0c0060000", "r--s", "/opt/a program", 0),
    mapping("7f0000000000-7f0000010000", "r-xp", "/opt/a program.so", 0),
    mapping("7f0000010000-7f0000020000", "rw-p", "", 64),
  ].join("");
  deepStrictEqual(cleanMappings(smaps, "/opt/a program"), [
    { address: 0x55d0c0000000, size: 0x10000 },
    { address: 0x55d0c0010000, size: 0x20000 },
  ]);
});

Deno.test({
  name: "dropping the program's pages makes this process smaller, and it goes on",
  ignore: lacks("linux"),
  fn() {
    const fileKiB = (): number =>
      Number(/RssFile:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
    const before = fileKiB();
    trimAllocator();
    dropProgramPages();
    const after = fileKiB();
    ok(after < before - 8192, `${before} KiB became ${after} KiB`);
    deepStrictEqual(JSON.parse(JSON.stringify({ still: ["here"] })), { still: ["here"] });
  },
});
