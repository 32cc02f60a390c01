import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";

/** Lists keys. */
export const stateKeys = defineSyscall({
  name: "state.keys",
  wire: "KEYS",
  opcode: 0x33,
  since: "0.1.0",
  summary: "Lists the keys that the caller can see, in order.",
  params: z.object({
    prefix: z.string().default("").describe("Only keys that begin so."),
    scope: z.string().optional().describe("`global`, `agent` or `session`; absent is all three."),
    limit: z.int().min(1).max(LIMITS.listEntries).default(LIMITS.listEntries).describe("How many at most."),
    after: z.string().default("").describe("Only keys behind this one: the last of the page before."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    keys: z.array(z.string()).describe("In order of code points."),
    count: z.int().describe("How many these are."),
    truncated: z.boolean().describe("True when there are more: ask again with `after`."),
    after: z.string().optional().describe("What to ask with for the next page; absent on the last one."),
  }),
  // A rule for one key is none for all keys that begin so.
  needs: ({ prefix }) => [plainNeed("state", `${prefix}*`)],
  record: ({ prefix, scope }) => ({ prefix, scope }),
  tool: true,
  handle(ctx, params) {
    const { state, clock } = ctx.services;
    const page = state.keys(ctx.caller, params);
    const now = clock.now();
    // A deny for some of them hides those. Looking takes no use of a grant.
    const keys = page.keys.filter((key) =>
      ctx.caller.authority.explain(plainNeed("state", key), now).allowed
    );
    const after = page.truncated ? page.keys.at(-1) : undefined;
    return {
      success: true as const,
      keys,
      count: keys.length,
      truncated: page.truncated,
      ...(after !== undefined && { after }),
    };
  },
});
