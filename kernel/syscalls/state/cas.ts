import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import type { Expectation } from "../../state/state.ts";
import { defineSyscall } from "../../syscall.ts";
import { key, ttl, version, writeScope } from "./fields.ts";

/** Stores a value if nobody was faster. */
export const stateCas = defineSyscall({
  name: "state.cas",
  wire: "CAS",
  opcode: 0x34,
  since: "0.1.0",
  summary: "Stores a value only if the key still is what the caller expects.",
  params: z.strictObject({
    key,
    value: z.unknown().optional().describe("Any JSON; absent is null."),
    expected_version: version.optional().describe(
      "The version it must have; 0 means that it must not exist.",
    ),
    expected: z.unknown().optional().describe("Instead: the value it must have. For null, give its version."),
    scope: writeScope,
    ttl,
  }),
  result: z.object({
    success: z.literal(true).describe("Always true: a key that has changed is no failure."),
    swapped: z.boolean().describe("Whether the value was stored."),
    exists: z.boolean().describe("Whether the key exists now."),
    value: z.unknown().describe("What is there now; null when nothing is."),
    version,
  }),
  needs: (params) => [plainNeed("state", params.key)],
  record: ({ key, scope, expected_version }) => ({ key, scope, expected_version }),
  tool: true,
  async handle(ctx, { key, value = null, scope, ttl, expected, expected_version }) {
    const result = await ctx.services.state.compareAndSet(
      ctx.caller,
      { key, value, scope, ttl },
      expectation(expected, expected_version),
    );
    return { success: true as const, ...result };
  },
});

function expectation(value: unknown, version: number | undefined): Expectation {
  if ((value === undefined) === (version === undefined)) {
    throw new SyscallError(
      "bad_request",
      "Cannot compare: give either expected_version (0: must not exist) or expected",
    );
  }
  if (version === undefined) return { value };
  return version === 0 ? { absent: true } : { version };
}
