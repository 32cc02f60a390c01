import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import type { Approval } from "../../approvals/approval.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { approvalOf, approvalShape } from "./approval_shape.ts";

const keptShape = z.object({
  name: z.string().describe("The agent's name, after those of the agents that spawned it: `planner/worker`."),
  rules: z.array(z.string()).describe("What such agents get whenever they are spawned."),
  at: z.number().describe("When it was given for good, in epoch milliseconds."),
});

/** Lists questions, and tells of them as they come. */
export const permsApprovals = defineSyscall({
  name: "perms.approvals",
  wire: "APPROVALS",
  opcode: 0x48,
  since: "0.1.0",
  summary:
    "Lists the questions that wait for an answer, or streams them as they come: an operator sees all, an agent its own.",
  params: z.strictObject({
    request_id: z.int().min(1).optional().describe("Only this one."),
    all: z.boolean().default(false).describe("Those that were closed lately, too."),
    watch: z.boolean().default(false).describe(
      "Protocol 2: stream what happens from now on, until cancelled.",
    ),
  }),
  result: z.object({
    requests: z.array(approvalShape).describe("The oldest first."),
    kept: z.array(keptShape).optional().describe("For operators: what was given for good."),
  }),
  streams: true,
  part: z.object({
    action: z.enum(["watching", "asked", "granted", "denied", "expired", "withdrawn"]).describe(
      "`watching` comes first, with all that is open; what happens from then on is told.",
    ),
    request: approvalShape.optional().describe("The question it happened to."),
    requests: z.array(approvalShape).optional().describe("With `watching`."),
  }),
  record: ({ request_id, all, watch }) => ({ request_id, all, watch }),
  tool: false,
  deadlineMs: 0,
  async handle(ctx, { request_id, all, watch }) {
    const { caller, services } = ctx;
    const { approvals } = services;
    const mine = (approval: Approval): boolean => caller.kind === "operator" || approval.principal === caller;
    if (request_id !== undefined) {
      const found = approvals.get(request_id);
      if (found && mine(found)) return { requests: [approvalOf(found)] };
      throw new SyscallError(
        "not_found",
        `Cannot find question ${request_id}: there was no such question lately`,
      );
    }
    if (watch) await stream(ctx, mine);
    const requests = approvals.list({ closed: all }).filter(mine).map(approvalOf);
    if (caller.kind !== "operator") return { requests };
    const kept = services.kept.all().map(({ lineage, rules, at }) => ({
      name: lineage,
      rules: rules.split("\n"),
      at,
    }));
    return { requests, kept };
  },
});

/** Ends only by an error: the caller cancels, or goes. */
async function stream(ctx: Context, mine: (approval: Approval) => boolean): Promise<never> {
  const { stream, signal, services } = ctx;
  if (!stream) {
    throw new SyscallError(
      "unsupported",
      "Cannot watch in protocol 1: agree on protocol 2 in HELLO, or subscribe to APPROVAL_REQUESTED",
    );
  }
  const { watcher, stop } = services.approvals.watch();
  try {
    const open = services.approvals.list({ closed: false }).filter(mine).map(approvalOf);
    await stream.write({ action: "watching", requests: open });
    for (;;) {
      for (const { action, approval } of await watcher.take(signal)) {
        if (mine(approval)) await stream.write({ action, request: approvalOf(approval) });
      }
    }
  } finally {
    stop();
  }
}
