import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { decodeBinary, encodeBinary } from "./binary.ts";

Deno.test("a payload shorter than its length field is refused", () => {
  for (const length of [0, 1, 2, 3]) throws(() => decodeBinary(new Uint8Array(length)), RangeError);
});

Deno.test("a length that points outside the payload is refused", () => {
  const payload = encodeBinary({ a: 1 }, new Uint8Array(2));
  for (const length of [payload.byteLength - 3, 0x7fffffff, 0xffffffff]) {
    new DataView(payload.buffer).setUint32(0, length, true);
    throws(() => decodeBinary(payload), RangeError);
  }
});

Deno.test("a length that cuts the JSON is refused", () => {
  const payload = encodeBinary({ a: 1 }, new Uint8Array(2));
  new DataView(payload.buffer).setUint32(0, 3, true);
  throws(() => decodeBinary(payload), SyntaxError);
});

Deno.test("invalid UTF-8 is refused", () => {
  const payload = new Uint8Array([3, 0, 0, 0, 0x22, 0xff, 0x22]);
  throws(() => decodeBinary(payload), TypeError);
});

Deno.test("any bytes give a payload or one of three errors", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const { tail } = decodeBinary(bytes);
        ok(tail.byteLength <= bytes.byteLength - 4);
      } catch (error) {
        ok(error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("JSON and bytes come back as they went, wherever they lie in memory", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 200 }), fc.nat(9), (json, tail, offset) => {
      const payload = encodeBinary(json, tail);
      const moved = new Uint8Array(payload.byteLength + offset);
      moved.set(payload, offset);
      const back = decodeBinary(moved.subarray(offset));
      strictEqual(JSON.stringify(back.json), JSON.stringify(json));
      deepStrictEqual(new Uint8Array(back.tail), tail);
    }),
  );
});
