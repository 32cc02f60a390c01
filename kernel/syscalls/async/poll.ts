import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";

/** Takes the results of deferred calls. */
export const asyncPoll = defineSyscall({
  name: "async.poll",
  wire: "ASYNC_POLL",
  opcode: 0x80,
  since: "0.1.0",
  summary: "Takes the results of calls made with `async`, in the order in which they finished.",
  params: z.object({
    max: z.int().max(LIMITS.asyncResults).default(10).describe("At most this many; 0 and less give none."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    results: z.array(z.object({
      request_id: z.int().describe("The number the call was accepted under."),
      opcode: z.int().describe("Of the call."),
      opcode_name: z.string().describe("Such as `EXEC`."),
      payload: z.string().describe("The answer the call would have given at once, as JSON text."),
      success: z.boolean().describe("Whether the call itself succeeded."),
      result: z.unknown().describe("The answer as an object."),
      error: z.string().optional().describe("The call's own error."),
    })).describe("They are no longer kept."),
    count: z.int().describe("How many."),
  }),
  record: ({ max }) => ({ max }),
  tool: false,
  handle(ctx, { max }) {
    const results = ctx.services.asyncResults.poll(ctx.caller, max);
    return { success: true as const, results, count: results.length };
  },
});
