import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { key, ttl, version, writeScope } from "./fields.ts";

/** Stores a value. */
export const stateStore = defineSyscall({
  name: "state.store",
  wire: "STORE",
  opcode: 0x30,
  since: "0.1.0",
  summary: "Stores a JSON value under a key, durably.",
  params: z.object({
    key,
    value: z.unknown().optional().describe("Any JSON; absent is null."),
    scope: writeScope,
    ttl,
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    key: z.string().describe("The key."),
    version,
  }),
  needs: (params) => [plainNeed("state", params.key)],
  record: ({ key, scope, ttl }) => ({ key, scope, ttl }),
  tool: true,
  async handle(ctx, { key, value = null, scope, ttl }) {
    const { version } = await ctx.services.state.store(ctx.caller, { key, value, scope, ttl });
    return { success: true as const, key, version };
  },
});
