import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { ANSWERS } from "../../approvals/approval.ts";
import { APPROVAL_LIMITS } from "../../approvals/approvals.ts";
import { readGrantRules } from "../../approvals/rules.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";
import { approvalOf, approvalShape } from "./approval_shape.ts";
import { durationField, refuse } from "./subject.ts";

/** Answers a question of an agent. */
export const permsAnswer = defineSyscall({
  name: "perms.answer",
  wire: "ANSWER_PERMS",
  opcode: 0x49,
  since: "0.1.0",
  summary: "Answers a question: once, for a time, for the agent's life, for good, or no. Operators only.",
  params: z.strictObject({
    request_id: z.int({ error: required("request_id required") }).min(1).describe("The question's number."),
    answer: z.enum(ANSWERS, { error: required("answer required") }).describe(
      "`once`: one act; `for`: see duration_ms; `life`: while this agent lives; `always`: also to agents of this name in the future; `deny`.",
    ),
    duration_ms: durationField.optional().describe("With `for`, how long."),
    rules: z.union([z.string(), z.array(z.string()).max(64)]).optional().describe(
      "Grant this instead of what was asked for.",
    ),
    message: z.string().max(APPROVAL_LIMITS.reasonChars).optional().describe("A word to the agent."),
  }),
  result: approvalShape,
  record: ({ request_id, answer, duration_ms, rules }) => ({ request_id, answer, duration_ms, rules }),
  tool: false,
  async handle(ctx, { request_id, answer, duration_ms, rules, message }) {
    const { caller, services } = ctx;
    if (caller.kind !== "operator") {
      refuse(ctx, {
        syscall: "perms.answer",
        reason: "only an operator answers the questions of agents",
        need: `admin:approvals/${request_id}`,
        ask: `clove approvals answer ${request_id} ${answer}`,
      });
    }
    if ((answer === "for") !== (duration_ms !== undefined)) {
      throw new SyscallError(
        "bad_request",
        'invalid request: Cannot answer: "for" takes duration_ms, and nothing else does',
      );
    }
    if (answer === "deny" && rules !== undefined) {
      throw new SyscallError("bad_request", "invalid request: Cannot deny and grant other rules at once");
    }
    return approvalOf(
      await services.approvals.answer(request_id, {
        kind: answer,
        durationMs: duration_ms,
        rules: rules === undefined ? undefined : readGrantRules(rules, true),
        message,
        by: caller,
      }),
    );
  },
});
