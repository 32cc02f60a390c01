import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";
import { fileWork, path, resolvedPath, targetOf } from "./target.ts";

/** Makes a directory. */
export const fsMkdir = defineSyscall({
  name: "fs.mkdir",
  wire: "MKDIR",
  opcode: 0x07,
  since: "0.1.0",
  summary: "Makes a directory.",
  params: z.strictObject({
    path,
    recursive: z.boolean().default(false).describe("Also those above it; then it may exist already."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    path: resolvedPath,
    created: z.boolean().describe("False when it was there."),
  }),
  record: ({ path }) => ({ path }),
  tool: true,
  async handle(ctx, { path, recursive }) {
    return {
      success: true as const,
      ...await fileWork(ctx.services.files.mkdir(targetOf(ctx, path), { recursive })),
    };
  },
});
