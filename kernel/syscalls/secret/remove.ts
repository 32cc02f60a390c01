import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { success } from "../../fields.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";
import { onlyOperators, writeLine } from "./shape.ts";

/** Takes a secret away. */
export const secretRemove = defineSyscall({
  name: "secret.remove",
  wire: "SECRET_REMOVE",
  opcode: 0x4c,
  since: "0.1.0",
  summary: "Forgets a secret: placeholders of it mean nothing from then on. Operators only.",
  params: z.strictObject({
    name: z.string({ error: required("name required") }).describe("Its name."),
  }),
  result: z.object({ success, name: z.string().describe("As given.") }),
  needs: () => [plainNeed("admin", "secret.remove")],
  record: ({ name }) => ({ name }),
  tool: false,
  async handle(ctx, { name }) {
    onlyOperators(ctx, "remove");
    if (!await ctx.services.secrets.remove(name)) {
      throw new SyscallError(
        "not_found",
        `Cannot remove the secret ${JSON.stringify(name.slice(0, 80))}: there is none of that name`,
      );
    }
    writeLine(ctx, "SECRET_REMOVED", name);
    return { name };
  },
});
