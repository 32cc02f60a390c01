import { z } from "zod";
import { askFor, formatNeed } from "../../../permissions/mod.ts";
import { agentId } from "../../fields.ts";
import { required } from "../../schema.ts";
import { defineSyscall } from "../../syscall.ts";
import { readNeed } from "./need_text.ts";
import { findSubject, mayLook, refuse, subjectFields } from "./subject.ts";

/** The longest act that is looked at: a path of PATH_MAX with its capability, and a command of some length. */
const NEED_CHARS = 8_192;

/** Tells whether an agent may do something. */
export const permsExplain = defineSyscall({
  name: "perms.explain",
  wire: "EXPLAIN_PERMS",
  opcode: 0x46,
  since: "0.1.0",
  summary: "Tells whether an agent may do something, and by which rule. Takes no use of a grant.",
  params: z.strictObject({
    ...subjectFields,
    need: z.string({ error: required("need required") }).max(NEED_CHARS).describe(
      "The act: `fs.read:/etc/hosts`, `net:https://host/path POST`, `exec:git status`, `env:HOME`, `spawn:deno`.",
    ),
  }),
  result: z.object({
    agent_id: agentId("Whose rights were asked."),
    allowed: z.boolean().describe("Whether it may, at this moment."),
    need: z.string().describe("The act, in policy syntax."),
    rule: z.string().describe("The rule that decided."),
    reason: z.string().optional().describe("Why not, as a sentence."),
    missing: z.string().optional().describe("The rule that would allow it."),
    ask: z.string().optional().describe("The command with which an operator grants it."),
  }),
  record: ({ agent_id, name, need }) => ({ agent_id, name, need }),
  tool: true,
  handle(ctx, params) {
    const { caller, services } = ctx;
    const subject = findSubject(ctx, params) ?? caller;
    const who = subject.name || String(subject.id);
    if (!mayLook(caller, subject)) {
      refuse(ctx, {
        syscall: "perms.explain",
        reason: `${caller.label} may ask about its own rights and those of agents below it only`,
        need: `admin:perms/${who}`,
        ask: `clove perms explain ${who} RULE`,
      });
    }
    const need = readNeed(params.need);
    const verdict = subject.authority.explain(need, services.clock.now());
    const told = { agent_id: subject.id, allowed: verdict.allowed, need: formatNeed(need) };
    if (verdict.allowed) return { ...told, rule: verdict.rule };
    const { receipt, reason } = verdict;
    return { ...told, rule: receipt.rule, reason, missing: receipt.missing, ask: askFor(receipt, who) };
  },
});
