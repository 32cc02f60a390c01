import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";

/** Echoes its payload, byte for byte. */
export const sysNoop = defineSyscall({
  name: "sys.noop",
  wire: "NOOP",
  opcode: 0x00,
  since: "0.1.0",
  summary: "Echoes the payload, byte for byte; it need not be JSON.",
  params: z.unknown().describe("Anything."),
  result: z.unknown().describe("The same bytes."),
  record: () => ({}),
  tool: false,
  bare: true,
  raw: (payload) => payload,
  handle: (_ctx, params) => params,
});
