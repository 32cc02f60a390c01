import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { key, readScope, scope } from "./fields.ts";

/** Removes a key. */
export const stateDelete = defineSyscall({
  name: "state.delete",
  wire: "DELETE",
  opcode: 0x32,
  since: "0.1.0",
  summary: "Removes a key: the one that FETCH would find.",
  params: z.object({ key, scope: readScope }),
  result: z.object({
    success: z.literal(true).describe("Always true, also when there was no such key."),
    deleted: z.boolean().describe("Whether there was such a key."),
    key: z.string().describe("The key."),
    scope: scope.optional(),
  }),
  needs: (params) => [plainNeed("state", params.key)],
  record: ({ key, scope }) => ({ key, scope }),
  tool: true,
  async handle(ctx, { key, scope }) {
    const removed = await ctx.services.state.remove(ctx.caller, key, scope);
    return { success: true as const, deleted: removed !== null, key, ...(removed && { scope: removed }) };
  },
});
