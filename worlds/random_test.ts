import { deepStrictEqual, match, notDeepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Random, seededRandom, systemRandom } from "./random.ts";

const take = (random: Random) => [random.float(), random.uuid(), random.bytes(7).toHex()];

Deno.test("different seeds give different runs, the same seed the same one", () => {
  for (const other of [2, -1, 1 + 2 ** 32, 0]) {
    notDeepStrictEqual(take(seededRandom(1)), take(seededRandom(other)), `seed ${other}`);
  }
  deepStrictEqual(take(seededRandom(1)), take(seededRandom(1)));
});

for (const [name, random] of [["seeded", seededRandom(42)], ["system", systemRandom]] as const) {
  Deno.test(`${name} floats stay in [0, 1) and spread evenly`, () => {
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const value = random.float();
      ok(value >= 0 && value < 1);
      buckets[Math.floor(value * 10)]!++;
    }
    ok(buckets.every((count) => count > 800 && count < 1_200), String(buckets));
  });

  Deno.test(`${name} bytes have the length asked for, and UUIDs the form of version 4`, () => {
    for (const n of [0, 1, 5, 70_000]) strictEqual(random.bytes(n).length, n);
    ok(random.bytes(70_000).subarray(66_000).some((byte) => byte !== 0));
    match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
}
