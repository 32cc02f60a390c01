/** The tables of docs/permissions.md say what the code does. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { CAPABILITIES, compileDenoFlags, LEVELS, Policy, weigh } from "../permissions/mod.ts";
import { readNeed } from "../kernel/syscalls/perms/need_text.ts";

const text = await Deno.readTextFile(new URL("../docs/permissions.md", import.meta.url));

/** The rows of the table whose heading begins so, as lists of cells. */
function rowsOf(heading: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading}`));
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(line.split("|").slice(1, -1).map((cell) => cell.trim()));
  }
  return rows;
}

Deno.test("the table of levels and flags is what levels become", () => {
  const rows = rowsOf("Level          | `read`");
  deepStrictEqual(rows.map(([level]) => level), LEVELS.map((level) => `\`${level}\``));
  for (const [i, level] of LEVELS.entries()) {
    const flags = compileDenoFlags(Policy.level(level), {
      cwd: "/work",
      readable: ["/work", "/tmp"],
      writable: ["/work", "/tmp"],
    });
    const allowed = (name: string): string => {
      const flag = flags.find((each) => each.split("=")[0] === `--allow-${name}`);
      if (flag === undefined) return "none";
      return flag.includes("=") ? flag.slice(flag.indexOf("=") + 1) : "all";
    };
    const [, read, write, net, env, run, native, imports] = rows[i]!;
    const places = (cell: string): string =>
      cell === "none" ? cell : cell.replaceAll("`", "").split(", ").sort().join();
    deepStrictEqual([places(read!), places(write!)], [allowed("read"), allowed("write")], level);
    strictEqual(env, allowed("env") === "none" ? "given" : "all");
    deepStrictEqual([net, run, imports], [allowed("net"), allowed("run"), allowed("import")]);
    deepStrictEqual([native, native], [allowed("sys"), allowed("ffi")]);
  }
});

Deno.test("every capability is in the table, and its example can be read and means it", () => {
  const rows = rowsOf("Capability ");
  const named = rows.flatMap(([names]) => [...names!.matchAll(/`([a-z.]+)`/g)].map(([, name]) => name!));
  deepStrictEqual(named.sort(), [...CAPABILITIES].sort());
  for (const row of rows) Policy.parse(row.at(-1)!.replaceAll("`", ""));
});

Deno.test("acts are read as the documents write them, and what is none is refused", () => {
  const may = (rule: string, act: string): boolean => weigh(Policy.parse(rule), readNeed(act), 0).allowed;
  for (
    const [rule, yes, no] of [
      ["fs.read:/srv/data/**", "fs.read:/srv/data/a.csv", "fs.read:/srv/other"],
      ["exec:git status", "exec:git status -s", "exec:git push"],
      ["net:https://h.example POST /v1/**", "net:https://h.example/v1/x POST", "net:https://h.example/v1/x"],
      [
        "net:https://h.example GET /v1/**",
        "net:https://h.example GET /v1/x",
        "net:https://h.example GET /v2",
      ],
      ["net:h.example:25", "net:h.example:25", "net:h.example:26"],
      ["net:h.example:25", "net:tcp://h.example:25", "net:g.example:25"],
      ["spawn:deno", "spawn:deno", "spawn:python3"],
      ["think:gemini-*", "think:gemini-2", "think:other"],
      ["env:LANG", "env:LANG", "env:HOME"],
      ["ipc:worker-*", "ipc:worker-1", "ipc:boss"],
    ] as const
  ) {
    deepStrictEqual([may(rule, yes), may(rule, no)], [true, false], rule);
  }
  for (
    const act of [
      "",
      "fs.read",
      "fs.read:",
      "files:/x",
      "net:ftp://h/x",
      "net:h",
      "net:https://h GET x",
      "exec:'a",
    ]
  ) {
    let refused = false;
    try {
      readNeed(act);
    } catch (error) {
      refused = (error as { code?: string }).code === "bad_request";
    }
    strictEqual(refused, true, act);
  }
});
