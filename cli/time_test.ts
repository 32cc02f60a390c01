import { strictEqual, throws } from "node:assert/strict";
import { parseTime } from "./time.ts";

Deno.test("what is no time is refused, with an example", () => {
  for (const text of ["", "yesterday", "10", "10x", "2026", "2026-13-40T00:00Z", "-5m"]) {
    throws(() => parseTime("--since", text), /Cannot use --since ".*": it is no time, write one such as 10m/);
  }
});

Deno.test("a length of time is so long ago, a date is itself", () => {
  strictEqual(parseTime("--since", "10m", 1_000_000), 400_000);
  strictEqual(parseTime("--since", "2026-02-11T10:15:30Z"), Date.UTC(2026, 1, 11, 10, 15, 30));
  strictEqual(parseTime("--since", "2026-02-11"), new Date(2026, 1, 11).getTime());
  strictEqual(parseTime("--since", "2026-02-11 10:15"), new Date(2026, 1, 11, 10, 15).getTime());
});
