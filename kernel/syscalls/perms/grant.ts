import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { coversTogether, plainNeed } from "../../../permissions/mod.ts";
import { readGrantRules } from "../../approvals/rules.ts";
import { defineSyscall } from "../../syscall.ts";
import { demandSubject, durationField, grantShape, rulesField, subjectFields } from "./subject.ts";

/** Gives an agent a right beyond its policy. */
export const permsGrant = defineSyscall({
  name: "perms.grant",
  wire: "GRANT",
  opcode: 0x44,
  since: "0.1.0",
  summary:
    "Gives an agent a right beyond its policy: an operator any, an agent a part of what it holds itself, until it is taken back.",
  params: z.strictObject({
    ...subjectFields,
    rules: rulesField,
    duration_ms: durationField.optional().describe("For so long; absent: as long as the agent lives."),
    uses: z.int().min(1).max(1_000_000).optional().describe("For so many acts; absent: any number."),
  }),
  result: grantShape.extend({
    agent_id: z.int().describe("Who holds it now."),
    held: z.boolean().describe(
      "Whether the giver plainly holds all of it. Else it is worth the part that the giver holds at the time of each act.",
    ),
  }),
  record: ({ agent_id, name, rules, duration_ms, uses }) => ({ agent_id, name, rules, duration_ms, uses }),
  tool: false,
  handle(ctx, params) {
    const { caller, services } = ctx;
    const { grants, clock } = services;
    const taker = demandSubject(ctx, params);
    const rules = readGrantRules(params.rules, true);
    if (taker === caller) {
      throw new SyscallError("denied", "Permission denied: nobody gives itself anything", {
        receipt: {
          need: rules.lines[0]!,
          rule: "rights come from somebody else",
          missing: rules.lines[0]!,
          ask: `clove perms grant ${caller.name || caller.id} '${rules.lines[0]}'`,
        },
      });
    }
    if (taker.kind === "operator") {
      throw new SyscallError("bad_request", "invalid request: Cannot grant to an operator: it has its level");
    }
    const operator = caller.kind === "operator";
    // Whoever may not speak to an agent does not reach into its rights either.
    if (!operator) ctx.demand(plainNeed("ipc", taker.name || String(taker.id)));
    const until = params.duration_ms === undefined ? undefined : clock.now() + params.duration_ms;
    const grant = grants.give(taker, rules, {
      giver: operator ? null : caller,
      by: caller,
      until,
      uses: params.uses,
    });
    const { authority } = caller;
    const sources = [authority.effective(), ...authority.grants().map((held) => held.rules)];
    return {
      ...grants.factsOf(grant),
      agent_id: taker.id,
      held: operator || coversTogether(sources, rules.policy),
    };
  },
});
