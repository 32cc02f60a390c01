import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { Arena } from "./arena.ts";

Deno.test("an arena that is full says how to need less", () => {
  const arena = new Arena(0x1000, 16);
  arena.allocate(8);
  throws(() => arena.allocate(16), /Cannot lay out a program of 24 bytes: the limit is 16, shorten/);
});

Deno.test("a string with a NUL byte is refused instead of being cut", () => {
  throws(() => new Arena(0, 64).string("a\0b"), /Cannot pass "a\\u0000b": it contains a NUL byte/);
});

Deno.test("equal strings share an address and end in NUL", () => {
  const arena = new Arena(0x1000, 64);
  strictEqual(arena.string("né"), arena.string("né"));
  deepStrictEqual([...arena.used], [110, 0xc3, 0xa9, 0]);
});

Deno.test("words are little-endian, negative ones sign-extended, large ones whole", () => {
  const arena = new Arena(0, 64);
  arena.words([-100, 0x2_0000_0001, -1]);
  const view = new DataView(arena.used.buffer);
  strictEqual(view.getBigInt64(0, true), -100n);
  strictEqual(view.getBigInt64(8, true), 0x2_0000_0001n);
  strictEqual(view.getBigInt64(16, true), -1n);
});

Deno.test("a list of pointers ends in null and points to its strings", () => {
  const arena = new Arena(0x1000, 64);
  const list = arena.pointers(["x"]);
  const view = new DataView(arena.used.buffer);
  strictEqual(view.getBigInt64(list - 0x1000, true), 0x1000n);
  strictEqual(view.getBigInt64(list - 0x1000 + 8, true), 0n);
});

Deno.test("what lies in an arena stays where it is when it grows", () => {
  const arena = new Arena(0x1000, 256 * 1024);
  const first = arena.string("first");
  const last = arena.string("x".repeat(200_000));
  strictEqual(new TextDecoder().decode(arena.used.subarray(first - 0x1000, first - 0x1000 + 5)), "first");
  strictEqual(arena.used[last - 0x1000 + 199_999], 120);
  throws(() => arena.string("y".repeat(100_000)), /the limit is 262144/);
});
