import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { APPROVAL_LIMITS } from "../../approvals/approvals.ts";
import type { Approval } from "../../approvals/approval.ts";
import { readGrantRules } from "../../approvals/rules.ts";
import { LIMITS } from "../../limits.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { approvalOf, approvalShape } from "./approval_shape.ts";

const { reasonChars, expiresMs, expiresMaxMs } = APPROVAL_LIMITS;

/** Asks the operator for a right. */
export const permsRequest = defineSyscall({
  name: "perms.request",
  wire: "REQUEST_PERMS",
  opcode: 0x47,
  since: "0.1.0",
  summary: "Asks the operator for a right, with a reason; waits for the answer or comes back for it later.",
  params: z.strictObject({
    rules: z.union([z.string(), z.array(z.string()).max(64)]).optional().describe(
      "What is asked for, such as the `missing` of a receipt.",
    ),
    reason: z.string().max(reasonChars).default("").describe("Why, in a few words, for a person to read."),
    timeout_ms: z.int().min(0).max(LIMITS.waitMaxMs).default(0).describe(
      "Wait so long for an answer. 0 answers at once, `pending` unless it is decided.",
    ),
    expires_ms: z.int().min(1_000).max(expiresMaxMs).default(expiresMs).describe(
      "The question is closed after this time, whether anybody waits or not.",
    ),
    request_id: z.int().min(1).optional().describe(
      "Instead of `rules`: look at, or wait for, a question that was put before.",
    ),
  }),
  result: approvalShape.partial({ request_id: true, asked_at: true, expires_at: true }).extend({
    status: z.enum(["held", ...approvalShape.shape.status.options]).describe(
      "`held`: it was held already, so nobody was asked.",
    ),
  }),
  record: ({ rules, reason, request_id }) => ({ rules, reason, request_id }),
  tool: true,
  deadlineMs: 0,
  async handle(ctx, params) {
    const { caller, services } = ctx;
    if (caller.kind === "operator") {
      throw new SyscallError(
        "bad_request",
        "invalid request: Cannot ask: an operator is the one who answers",
      );
    }
    let approval: Approval | null;
    if (params.request_id !== undefined) approval = own(ctx, params.request_id);
    else {
      if (params.rules === undefined) throw new SyscallError("bad_request", "rules required");
      const rules = readGrantRules(params.rules, false);
      const { reason, expires_ms } = params;
      approval = services.approvals.request(caller, rules, { reason, expiresMs: expires_ms });
      if (approval === null) {
        const { id, name } = caller;
        return { agent_id: id, agent_name: name, rules: [...rules.lines], reason, status: "held" as const };
      }
    }
    if (approval.status === "pending" && params.timeout_ms > 0) {
      await waitFor(ctx, approval, params.timeout_ms);
    }
    return approvalOf(approval);
  },
});

/** Somebody else's question is as unknown as one that was never put. */
function own(ctx: Context, id: number): Approval {
  const approval = ctx.services.approvals.get(id);
  if (approval?.principal === ctx.caller) return approval;
  throw new SyscallError(
    "not_found",
    `Cannot find question ${id}: this agent has put no such question lately`,
  );
}

async function waitFor({ services, signal }: Context, approval: Approval, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const cancel = services.clock.timer(ms, late.resolve);
  const gone = (): void => late.resolve();
  signal.addEventListener("abort", gone, { once: true });
  await Promise.race([approval.closed, late.promise]);
  cancel();
  signal.removeEventListener("abort", gone);
}
