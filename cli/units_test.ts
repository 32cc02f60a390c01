import { strictEqual, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { parseBytes, parseNumber, parseSeconds, showBytes, showSeconds } from "./units.ts";

Deno.test("an amount that is none is refused with an example", () => {
  for (const text of ["", "M", "-1", "1X", "1e3", "0", "256 MB M", "99999999T"]) {
    throws(() => parseBytes("--memory", text), UsageError, text);
  }
  for (const text of ["", "s", "-1s", "1y", "Infinity"]) {
    throws(() => parseSeconds("--ttl", text), UsageError, text);
  }
  for (const text of ["", "0", "-1", "x", "0x10"]) {
    throws(() => parseNumber("--cpus", text, false), UsageError, text);
  }
  throws(() => parseNumber("--pids", "1.5", true), /no whole number above 0/);
});

Deno.test("sizes are powers of 1024, times are seconds", () => {
  strictEqual(parseBytes("--memory", "256M"), 268_435_456);
  strictEqual(parseBytes("--memory", "1.5GiB"), 1_610_612_736);
  strictEqual(parseBytes("--memory", "1048576"), 1_048_576);
  strictEqual(parseBytes("--memory", "8T"), 8_796_093_022_208);
  strictEqual(parseSeconds("--ttl", "1500ms"), 1.5);
  strictEqual(parseSeconds("--ttl", "2m"), 120);
  strictEqual(parseNumber("--cpus", "0.5", false), 0.5);
});

Deno.test("amounts are shown short", () => {
  strictEqual(showBytes(512), "512 B");
  strictEqual(showBytes(9.5 * 1024 * 1024), "9.5 MiB");
  strictEqual(showBytes(64 * 1024 * 1024), "64 MiB");
  strictEqual(showSeconds(7.9), "7s");
  strictEqual(showSeconds(125), "2m05s");
  strictEqual(showSeconds(7_322), "2h02m");
  strictEqual(showSeconds(90_000), "1d01h");
});
