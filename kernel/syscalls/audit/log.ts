import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { AUDIT_CATEGORIES, type AuditCategory } from "../../audit/entry.ts";
import { toOcsf } from "../../audit/ocsf.ts";
import { agentId, success } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { entryOf, entryShape } from "./entry.ts";

/** Lines in one answer, at most. */
const MOST = 10_000;
const TEXT_CHARS = 256;

/** Reads the audit log: agents their own lines, holders of `admin:audit.log` all of them. */
export const auditLog = defineSyscall({
  name: "audit.log",
  wire: "GET_AUDIT_LOG",
  opcode: 0x76,
  since: "0.1.0",
  summary: "Finds lines of the audit log, the newest, oldest first; agents see only lines about themselves.",
  params: z.object({
    category: z.string().optional().describe(
      `One of ${AUDIT_CATEGORIES.join(", ")}; another word counts as SYSCALL.`,
    ),
    agent_id: agentId("Only lines about this agent; 0 and absent are all that the caller may see.")
      .optional(),
    agent_name: z.string().max(TEXT_CHARS).optional().describe(
      "Only lines about agents of this name, those of earlier kernels too.",
    ),
    since_id: z.int().min(0).optional().describe("Only lines with a greater number."),
    before_id: z.int().min(1).optional().describe("Only lines with a smaller number, for paging back."),
    limit: z.int().min(0).max(MOST).default(100).describe("The newest so many."),
    event_type: z.string().max(TEXT_CHARS).optional().describe("Only this event, such as `SYSCALL_BLOCKED`."),
    only_success: z.boolean().optional().describe("True: only what succeeded; false: only what did not."),
    since: z.union([z.number(), z.string()]).optional().describe(
      "At or after: epoch milliseconds, or a time such as `2026-02-11T10:15:30Z`.",
    ),
    until: z.union([z.number(), z.string()]).optional().describe("Before, written like `since`."),
    text: z.string().max(TEXT_CHARS).optional().describe("Part of the details, the event or the name."),
    format: z.enum(["json", "ocsf"]).default("json").describe(
      "`ocsf`: events of the Open Cybersecurity Schema Framework instead of `entries`.",
    ),
  }),
  result: z.object({
    success,
    count: z.int().describe("How many."),
    entries: z.array(entryShape).describe("Oldest first; empty with `format: ocsf`."),
    events: z.array(z.record(z.string(), z.unknown())).optional().describe(
      "With `format: ocsf`: one each line.",
    ),
    more: z.boolean().describe("True when older lines fit too; ask again with `before_id`."),
  }),
  record: ({ category, agent_id, agent_name, limit }) => ({ category, agent_id, agent_name, limit }),
  tool: false,
  badJson: null,
  async handle(ctx, params) {
    const { caller, services } = ctx;
    const { category, agent_name, before_id, limit, event_type, only_success, text, format } = params;
    let { since_id = 0 } = params;
    const need = plainNeed("admin", "audit.log");
    let agent = params.agent_id || undefined;
    if (agent !== undefined && agent !== caller.id) ctx.demand(need);
    else if (!caller.authority.weigh(need, services.clock.now()).allowed) {
      agent = caller.id;
      // In an earlier kernel's lines the same number was somebody else.
      since_id = Math.max(since_id, services.audit.before);
    }
    const { lines, more } = await services.audit.query({
      agent_id: agent,
      agent_name,
      category: category === undefined ? undefined : categoryOf(category),
      event_type,
      success: only_success,
      from: timeOf("since", params.since),
      until: timeOf("until", params.until),
      text,
      since_id,
      before_id,
      limit,
    });
    if (format === "json") return { count: lines.length, entries: lines.map(entryOf), more };
    const events = lines.map((line) => toOcsf(line, services.info.version));
    return { count: events.length, entries: [], events, more };
  },
});

function categoryOf(word: string): AuditCategory {
  return AUDIT_CATEGORIES.find((category) => category === word) ?? "SYSCALL";
}

function timeOf(field: string, value: number | string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const time = typeof value === "number" ? value : Date.parse(value);
  if (Number.isFinite(time)) return time;
  throw new SyscallError(
    "bad_request",
    `invalid request: Cannot use "${field}": it is no time, write epoch milliseconds or 2026-02-11T10:15:30Z`,
  );
}
