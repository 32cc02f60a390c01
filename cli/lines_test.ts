import { deepStrictEqual, ok } from "node:assert/strict";
import { LINE_BYTES, LineCutter } from "./lines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

Deno.test("lines are the same whatever the pieces they come in", () => {
  const text = "one\n\ntwo\r\nthrée\nrest";
  for (let size = 1; size < 12; size++) {
    const cutter = new LineCutter();
    const bytes = encoder.encode(text);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const line of cutter.push(bytes.subarray(at, at + size))) lines.push(decoder.decode(line));
    }
    lines.push(decoder.decode(cutter.end()!));
    deepStrictEqual(lines, ["one\n", "\n", "two\r\n", "thrée\n", "rest"], `pieces of ${size}`);
    deepStrictEqual(cutter.end(), null);
  }
});

Deno.test("a line without an end is cut", () => {
  const cutter = new LineCutter();
  let bytes = 0;
  for (let i = 0; i < 10; i++) {
    for (const line of cutter.push(new Uint8Array(50_000).fill(0x78))) {
      ok(line.byteLength <= LINE_BYTES);
      bytes += line.byteLength;
    }
  }
  deepStrictEqual(bytes + (cutter.end()?.byteLength ?? 0), 500_000);
});
