/**
 * What the rows about files share: whose view a path is in, what must be held for it, and errors for the wire.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { fileNeed } from "../../../permissions/mod.ts";
import { FileError, type Target } from "../../../worlds/files.ts";
import { required } from "../../schema.ts";
import type { Context } from "../../syscall.ts";

/** The path of a row. */
export const path: z.ZodString = z.string({ error: required("path required") }).describe(
  "As the caller sees it; a relative one begins at its working directory.",
);

/** The path of an answer. */
export const resolvedPath: z.ZodString = z.string().describe("As the caller sees it, every link resolved.");

/** Kinds of things. */
export const fileType: z.ZodEnum<
  { file: "file"; directory: "directory"; symlink: "symlink"; other: "other" }
> = z
  .enum(["file", "directory", "symlink", "other"]).describe("`other` is a socket, FIFO or device.");

/** A path of the caller's, weighed as it is given and as it resolves. */
export function targetOf(ctx: Context, path: string): Target {
  return {
    view: ctx.services.agents.viewOf(ctx.caller),
    path,
    check: (access, inside) => ctx.demand(fileNeed(`fs.${access}`, inside)),
  };
}

/**
 * Waits for file work, and puts what went wrong on the wire.
 *
 * @param literal What the original says, which its clients may compare with.
 */
export async function fileWork<T>(work: Promise<T>, literal?: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const known = literal && error.code !== "bad_request" ? `${literal}: ` : "";
    throw new SyscallError(error.code, known + error.message, { cause: error });
  }
}
