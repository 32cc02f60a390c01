import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { FrameParser } from "@clove/sdk/protocol";
import { OutBuffer } from "./out_buffer.ts";

/** Ids of the frames in some bytes. */
function idsOf(pieces: readonly Uint8Array[]): number[] {
  const parser = new FrameParser();
  const ids: number[] = [];
  for (const piece of pieces) {
    parser.push(piece);
    for (let frame = parser.next(); frame; frame = parser.next()) ids.push(frame.id);
  }
  return ids;
}

Deno.test("frames added while others are handed over go out once, and after them", () => {
  const out = new OutBuffer();
  const taken: Uint8Array[] = [];
  let next = 0;
  const add = (bytes: number) => out.raw(1, { id: next++, opcode: 0, flags: 0 }, new Uint8Array(bytes));
  const take = (bytes: Uint8Array): void => {
    taken.push(bytes);
    if (next >= 20) return;
    add(10);
    out.drain(take);
  };
  for (let n = 0; n < 10; n++) add(3_000);
  out.drain(take);
  strictEqual(out.length, 0);
  deepStrictEqual(idsOf(taken), Array.from({ length: next }, (_, id) => id));
});
