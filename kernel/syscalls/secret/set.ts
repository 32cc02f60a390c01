import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";
import { onlyOperators, secretFields, writeLine } from "./shape.ts";

/** Gives the kernel a secret. */
export const secretSet = defineSyscall({
  name: "secret.set",
  wire: "SECRET_SET",
  opcode: 0x4a,
  since: "0.1.0",
  summary: "Keeps a secret, sealed: agents with a rule about it get a placeholder. Operators only.",
  params: z.strictObject({
    name: z.string({ error: required("name required") }).describe("Letters, digits and underscores."),
    value: z.string().optional().describe(
      "What no header could carry is refused. Absent: it comes as raw bytes.",
    ),
  }),
  result: z.object(secretFields),
  tail: { params: "The value as UTF-8, instead of `value`." },
  needs: () => [plainNeed("admin", "secret.set")],
  record: ({ name }) => ({ name }),
  tool: false,
  async handle(ctx, { name, value }) {
    onlyOperators(ctx, "set");
    const facts = await ctx.services.secrets.set(name, value ?? decoded(ctx.tail));
    writeLine(ctx, "SECRET_SET", name);
    return facts;
  },
});

function decoded(tail: Uint8Array | null): string {
  if (tail === null || tail.length === 0) throw new SyscallError("bad_request", "value required");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(tail);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Its text, and what it would quote, stay here.
    throw new SyscallError("bad_request", "Cannot keep this value as a secret: it is not valid UTF-8");
  }
}
