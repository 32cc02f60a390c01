import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Log, printable } from "./log.ts";

Deno.test("text from agents cannot move the cursor, forge a line, or turn the direction of text", () => {
  strictEqual(printable("a\u001b[2Jb\nc\u202ed"), "a\\u001b[2Jb\\u000ac\\u202ed");
  strictEqual(printable("plain, ünïcödé 漢字"), "plain, ünïcödé 漢字");
});

Deno.test("lines below the level are not written", () => {
  const lines: string[] = [];
  const log = new Log({ level: "warn", format: "text", write: (line) => lines.push(line), now: () => 0 });
  log.info("quiet");
  log.warn("loud", { agent: "x\ny" });
  deepStrictEqual(lines, ["1970-01-01T00:00:00.000Z WARN  loud agent=x\\u000ay"]);
});

Deno.test("a JSON line holds its fields, errors with their stack", () => {
  const lines: string[] = [];
  const log = new Log({ level: "debug", format: "json", write: (line) => lines.push(line), now: () => 0 });
  log.error("broken", { cause: new Error("why"), big: 2n ** 60n });
  const line = JSON.parse(lines[0]!);
  match(line.cause, /Error: why\n/);
  strictEqual(line.big, "1152921504606846976");
});
