import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";
import { fileWork, path, resolvedPath, targetOf } from "./target.ts";

/** Writes a file. */
export const fsWrite = defineSyscall({
  name: "fs.write",
  wire: "WRITE",
  opcode: 0x04,
  since: "0.1.0",
  summary: "Writes a whole file, from one instant to the next, or appends to one.",
  params: z.object({
    path,
    content: z.string().optional().describe("Text."),
    content_base64: z.string().optional().describe(
      "Instead: any bytes. In protocol 2 they may also come as they are.",
    ),
    mode: z.enum(["write", "append"]).default("write").describe(
      "`write` replaces what is there; `append` adds to it.",
    ),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    bytes_written: z.int().describe("Length of what was written, in bytes."),
    path: resolvedPath,
    created: z.boolean().describe("Whether there was no such file before."),
  }),
  tail: { params: "Instead of `content`, the contents." },
  failure: { bytes_written: 0 },
  record: ({ path, mode }) => ({ path, mode }),
  tool: true,
  async handle(ctx, { path, content, content_base64, mode }) {
    const bytes = contents(content, content_base64, ctx.tail);
    const written = await fileWork(
      ctx.services.files.write(targetOf(ctx, path), bytes, {
        mode: mode === "append" ? "append" : "replace",
      }),
      "failed to open file for writing",
    );
    ctx.caller.counts.bytesWritten += bytes.length;
    return { success: true as const, bytes_written: bytes.length, ...written };
  },
});

function contents(text: string | undefined, base64: string | undefined, tail: Uint8Array | null): Uint8Array {
  const given = [text, base64, tail ?? undefined].filter((one) => one !== undefined);
  if (given.length > 1) {
    throw new SyscallError("bad_request", "Cannot write: give one of content, content_base64 and raw bytes");
  }
  const bytes = tail ?? (base64 !== undefined ? fromBase64(base64) : fromText(text ?? ""));
  if (bytes.length > LIMITS.fileBytes) {
    throw new SyscallError(
      "limit",
      `Cannot write ${bytes.length} bytes at once: the limit is ${LIMITS.fileBytes}`,
    );
  }
  return bytes;
}

function fromText(text: string): Uint8Array {
  if (!text.isWellFormed()) {
    throw new SyscallError(
      "bad_request",
      "Cannot write: the text holds half a surrogate pair, use content_base64",
    );
  }
  return new TextEncoder().encode(text);
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch (cause) {
    throw new SyscallError("bad_request", "Cannot write: content_base64 is no base64", { cause });
  }
}
