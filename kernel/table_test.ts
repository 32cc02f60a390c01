import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { z } from "zod";
import { ORIGINAL_OPCODES } from "./original.ts";
import { RESERVED, TABLE } from "./table.ts";

/** Opcodes that the original's second version uses for other things. */
const FOREIGN = new Set([
  0x42,
  0x43,
  ...Array.from({ length: 10 }, (_, i) => 0xd0 + i),
  ...Array.from({ length: 16 }, (_, i) => 0xe0 + i),
  0xf1,
  0xf2,
  0xf3,
  0xf4,
]);

Deno.test("every opcode of the original is there under its number, as a row or reserved", () => {
  strictEqual(Object.keys(ORIGINAL_OPCODES).length, 54);
  const known = new Map(TABLE.map((row) => [row.wire, row.opcode]));
  for (const [wire, opcode] of Object.entries(ORIGINAL_OPCODES)) {
    strictEqual(known.get(wire) ?? opcode, opcode, wire);
    strictEqual(RESERVED.has(opcode), !known.has(wire), wire);
  }
});

Deno.test("names, wire names and opcodes are unique, and names are family.verb", () => {
  for (const key of ["name", "wire", "opcode"] as const) {
    const all = TABLE.map((row) => row[key]);
    deepStrictEqual(all.filter((value, i) => all.indexOf(value) !== i), []);
  }
  for (const row of TABLE) match(row.name, /^[a-z]+\.[a-z_]+$/);
});

for (const row of TABLE) {
  Deno.test(`${row.name} takes a free opcode`, () => ok(!FOREIGN.has(row.opcode)));

  Deno.test(`${row.name} describes every field of its arguments and answer`, () => {
    for (const [side, io] of [["params", "input"], ["result", "output"]] as const) {
      const schema = z.toJSONSchema(row[side], { io, unrepresentable: "any" });
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        ok(
          Object(field).description,
          `Cannot document ${row.name}: "${name}" of its ${side} has no description`,
        );
      }
    }
  });
}
