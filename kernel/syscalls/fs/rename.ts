import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";
import { fileWork, targetOf } from "./target.ts";

/** Renames a file or directory. */
export const fsRename = defineSyscall({
  name: "fs.rename",
  wire: "RENAME",
  opcode: 0x09,
  since: "0.1.0",
  summary: "Gives a file or directory another name, in the place of what had that name.",
  params: z.strictObject({
    from: z.string({ error: required("path required") }).describe(
      "Its name now. Must be readable and writable.",
    ),
    to: z.string({ error: required("path required") }).describe("Its new name, on the same file system."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    from: z.string().describe("The old name, as the caller sees it, links before it resolved."),
    to: z.string().describe("The new name, likewise."),
  }),
  record: ({ from, to }) => ({ from, to }),
  tool: true,
  async handle(ctx, { from, to }) {
    const work = ctx.services.files.rename(targetOf(ctx, from), targetOf(ctx, to), {
      limit: LIMITS.listEntries,
    });
    return { success: true as const, ...await fileWork(work) };
  },
});
