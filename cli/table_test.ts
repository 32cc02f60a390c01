import { strictEqual } from "node:assert/strict";
import { table } from "./table.ts";

Deno.test("columns are aligned, numbers to the right, and no line ends in blanks", () => {
  const text = table(["ID", "NAME", "STATE"], [["7", "a", "running"], ["12", "worker", ""]], [0]);
  strictEqual(text, "ID  NAME    STATE\n 7  a       running\n12  worker\n");
});

Deno.test("what takes two columns is counted as two, and a cell cannot break its row", () => {
  const text = table(["NAME", "X"], [["世界", "1"], ["a\nb", "2"]]);
  strictEqual(text, "NAME  X\n世界  1\na\\nb  2\n");
});
