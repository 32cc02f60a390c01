import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";
import { fileWork, path, resolvedPath, targetOf } from "./target.ts";

/** Removes a file or directory. */
export const fsRemove = defineSyscall({
  name: "fs.remove",
  wire: "REMOVE",
  opcode: 0x08,
  since: "0.1.0",
  summary: "Removes a file, a symbolic link, or a directory.",
  params: z.strictObject({
    path,
    recursive: z.boolean().default(false).describe(
      `Also what is in the directory, up to ${LIMITS.listEntries} things; all of it must be allowed.`,
    ),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    path: resolvedPath,
    removed: z.int().describe("How many things are gone."),
  }),
  record: ({ path, recursive }) => ({ path, recursive }),
  tool: true,
  async handle(ctx, { path, recursive }) {
    const options = { recursive, limit: LIMITS.listEntries };
    return {
      success: true as const,
      ...await fileWork(ctx.services.files.remove(targetOf(ctx, path), options)),
    };
  },
});
