import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";
import { fileType, fileWork, path, resolvedPath, targetOf } from "./target.ts";

/** Looks at a file. */
export const fsStat = defineSyscall({
  name: "fs.stat",
  wire: "STAT",
  opcode: 0x05,
  since: "0.1.0",
  summary: "Tells what kind of thing a path leads to, its size and its times.",
  params: z.strictObject({
    path,
    follow: z.boolean().default(true).describe("False looks at a symbolic link itself."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true; what does not exist is an error of code `not_found`."),
    path: resolvedPath,
    type: fileType,
    size: z.int().describe("Bytes."),
    mode: z.int().describe("Permission bits."),
    uid: z.int().describe("The owner's number."),
    gid: z.int().describe("The group's number."),
    links: z.int().describe("How many names lead to it."),
    modified: z.number().describe("Epoch seconds of the last change of its contents."),
  }),
  record: ({ path }) => ({ path }),
  tool: true,
  async handle(ctx, { path, follow }) {
    const stat = await fileWork(ctx.services.files.stat(targetOf(ctx, path), { follow }));
    return { success: true as const, ...stat, modified: stat.modified / 1000 };
  },
});
