import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { success } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";

/** Reads the whole log again, against its hashes and signatures. */
export const auditVerify = defineSyscall({
  name: "audit.verify",
  wire: "VERIFY_AUDIT_LOG",
  opcode: 0x78,
  since: "0.1.0",
  summary:
    "Checks the audit log's chain and signatures and names the first line that is not as it was written.",
  params: z.strictObject({}),
  result: z.object({
    success,
    status: z.enum(["intact", "tampered", "torn"]).describe("`torn` is only seen by an offline check."),
    exit_code: z.union([z.literal(0), z.literal(1), z.literal(3)]).describe(
      "What `clove audit verify` ends with.",
    ),
    lines: z.int().describe("Lines that are right, up to the first that is not."),
    first_id: z.int().describe("The oldest line's number."),
    last_id: z.int().describe("The number of the last line that is right; 0 when there is none."),
    head: z.string().describe("Its hash, to be noted elsewhere and compared later."),
    signed_id: z.int().describe("Signatures cover lines up to this."),
    key: z.string().describe("Fingerprint of the key that signs."),
    problem: z.object({
      kind: z.enum(["changed", "removed", "reordered", "added", "forged", "damaged"]).describe(
        "In one word.",
      ),
      line_id: z.int().describe("The first line it is about."),
      detail: z.string().describe("In words."),
    }).nullable().describe("Null when all is well."),
    message: z.string().describe("One sentence for people."),
  }),
  needs: () => [plainNeed("admin", "audit.verify")],
  record: () => ({}),
  tool: false,
  deadlineMs: 0,
  async handle(ctx) {
    return { ...await ctx.services.audit.verify() };
  },
});
