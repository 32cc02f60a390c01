import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";
import { fileType, fileWork, resolvedPath, targetOf } from "./target.ts";

/** Lists a directory. */
export const fsList = defineSyscall({
  name: "fs.list",
  wire: "LIST_DIR",
  opcode: 0x06,
  since: "0.1.0",
  summary: "Lists the names in a directory, sorted.",
  params: z.strictObject({
    path: z.string().default(".").describe("The directory; absent is the working directory."),
    limit: z.int().min(1).max(LIMITS.listEntries).default(LIMITS.listEntries).describe("How many at most."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    path: resolvedPath,
    entries: z.array(z.object({ name: z.string().describe("Its name."), type: fileType })).describe(
      "What is in it.",
    ),
    count: z.int().describe("How many these are."),
    truncated: z.boolean().describe("True when some were left out."),
  }),
  record: ({ path }) => ({ path }),
  tool: true,
  async handle(ctx, { path, limit }) {
    const listed = await fileWork(ctx.services.files.list(targetOf(ctx, path), { limit }));
    return { success: true as const, ...listed, count: listed.entries.length };
  },
});
