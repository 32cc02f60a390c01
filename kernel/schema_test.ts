import { strictEqual, throws } from "node:assert/strict";
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "./limits.ts";
import { readParams, readRequest, required } from "./schema.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const bad = (error: unknown) => error instanceof SyscallError && error.code === "bad_request";

Deno.test("a payload that is no UTF-8 is refused without quoting it", () => {
  throws(() => readRequest(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), false), bad);
});

Deno.test("JSON nested past the limit is refused, at the limit it is read", () => {
  const nested = (depth: number) => bytes("[".repeat(depth) + "]".repeat(depth));
  throws(() => readRequest(nested(LIMITS.jsonDepth + 1), false), bad);
  readRequest(nested(LIMITS.jsonDepth), false);
});

Deno.test("brackets inside strings are no nesting", () => {
  readRequest(bytes(JSON.stringify({ text: '\\"' + "[".repeat(LIMITS.jsonDepth * 2) })), false);
});

Deno.test("a missing field says what the original says, a wrong one is an invalid request", () => {
  const schema = z.object({ path: z.string({ error: required("path required") }) });
  throws(() => readParams(schema, {}), { message: "path required" });
  throws(() => readParams(schema, { path: null }), { message: "path required" });
  throws(() => readParams(schema, { path: 7 }), /^SyscallError: invalid request: Cannot use "path"/);
  throws(() => readParams(schema, []), /invalid request: /);
});

Deno.test("an empty payload is an empty object", () => {
  strictEqual(JSON.stringify(readRequest(new Uint8Array(0), false).json), "{}");
});
