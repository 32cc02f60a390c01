import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { key, readScope, scope, version } from "./fields.ts";

/** Finds a value. */
export const stateFetch = defineSyscall({
  name: "state.fetch",
  wire: "FETCH",
  opcode: 0x31,
  since: "0.1.0",
  summary: "Finds the value of a key.",
  params: z.object({ key, scope: readScope }),
  result: z.object({
    success: z.literal(true).describe("Always true, also when there is no such key."),
    exists: z.boolean().describe("Whether there is such a key."),
    found: z.boolean().describe("The same, as some clients call it."),
    value: z.unknown().describe("The value; null when there is none."),
    version: version.optional(),
    scope: scope.optional(),
    ttl: z.number().optional().describe("Seconds until it expires; absent when it does not."),
  }),
  needs: (params) => [plainNeed("state", params.key)],
  record: ({ key, scope }) => ({ key, scope }),
  tool: true,
  handle(ctx, { key, scope }) {
    const found = ctx.services.state.fetch(ctx.caller, key, scope);
    if (!found) return { success: true as const, exists: false, found: false, value: null };
    return {
      success: true as const,
      exists: true,
      found: true,
      value: found.value,
      version: found.version,
      scope: found.scope,
      ...(found.expires !== null && { ttl: (found.expires - ctx.services.clock.now()) / 1000 }),
    };
  },
});
