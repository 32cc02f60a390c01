import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { formatTraceparent, parseTraceparent } from "./trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("what is no traceparent is passed over", () => {
  const wrong = [
    undefined,
    7,
    "",
    `00-${TRACE}-${SPAN}`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01\n`,
    ` 00-${TRACE}-${SPAN}-01`,
  ];
  for (const text of wrong) strictEqual(parseTraceparent(text), null, String(text));
});

Deno.test("a traceparent is read and written", () => {
  const context = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
  deepStrictEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), context);
  strictEqual(formatTraceparent(context), `00-${TRACE}-${SPAN}-01`);
});
