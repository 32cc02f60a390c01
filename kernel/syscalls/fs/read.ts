import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "../../limits.ts";
import { defineSyscall, WithTail } from "../../syscall.ts";
import { fileWork, path, resolvedPath, targetOf } from "./target.ts";

/** A byte order mark is part of the file. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a file. */
export const fsRead = defineSyscall({
  name: "fs.read",
  wire: "READ",
  opcode: 0x03,
  since: "0.1.0",
  summary: "Reads a whole regular file.",
  params: z.object({
    path,
    encoding: z.enum(["utf8", "base64", "binary"]).default("utf8").describe(
      "`utf8` is text; `base64` is any bytes; `binary` is any bytes beside the answer, in protocol 2.",
    ),
    max_bytes: z.int().min(0).max(LIMITS.fileBytes).default(LIMITS.fileBytes).describe(
      "Refuse anything longer.",
    ),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    content: z.string().describe("The contents in the encoding that was asked for; empty for `binary`."),
    size: z.int().describe("Length of the file in bytes."),
    path: resolvedPath,
    encoding: z.enum(["utf8", "base64", "binary"]).describe("That of the contents."),
  }),
  tail: { result: "With the encoding `binary`, the contents." },
  failure: { content: "", size: 0 },
  record: ({ path }) => ({ path }),
  tool: true,
  async handle(ctx, { path, encoding, max_bytes: maxBytes }) {
    if (encoding === "binary" && !ctx.binary) {
      throw new SyscallError(
        "unsupported",
        'Cannot answer with raw bytes in protocol 1: use the encoding "base64"',
      );
    }
    const read = await fileWork(
      ctx.services.files.read(targetOf(ctx, path), { maxBytes }),
      "failed to open file",
    );
    const { bytes } = read;
    ctx.caller.counts.bytesRead += bytes.length;
    const answer = { success: true as const, size: bytes.length, path: read.path, encoding };
    if (encoding === "binary") return new WithTail({ ...answer, content: "" }, bytes);
    return { ...answer, content: encoding === "base64" ? bytes.toBase64() : asText(bytes, read.path) };
  },
});

function asText(bytes: Uint8Array, path: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new SyscallError(
      "bad_request",
      `invalid request: Cannot read "${path}" as text: invalid UTF-8 byte in it, use the encoding "base64"`,
      { cause },
    );
  }
}
