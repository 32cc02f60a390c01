import type { AuditLogParams } from "@clove/sdk";
import { type AuditEntry, type AuditFilter, laterLines, newestLines } from "../audit_lines.ts";
import type { Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import type { Values } from "../options.ts";
import { targetOf } from "../target.ts";
import { bold, jsonText, print, printJson, red } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseTime } from "../time.ts";
import { parseNumber } from "../units.ts";

const OPTIONS = {
  lines: { type: "string", short: "n" },
  follow: { type: "boolean", short: "f" },
  agent: { type: "string" },
  category: { type: "string" },
  event: { type: "string" },
  failed: { type: "boolean" },
  since: { type: "string" },
  until: { type: "string" },
  text: { type: "string" },
  json: { type: "boolean" },
  ocsf: { type: "boolean" },
} as const;

const CATEGORIES = [
  "SECURITY",
  "AGENT_LIFECYCLE",
  "IPC",
  "STATE_STORE",
  "RESOURCE",
  "SYSCALL",
  "NETWORK",
  "WORLD",
];
const STANDARD_LINES = 100;

/** `clove audit log`: lines of the log. */
export async function auditLog(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values } = invocation.options(OPTIONS, { min: 0, max: 0, words: "nothing" }, args);
  const filter = filterOf(values);
  const count = values.lines === undefined
    ? STANDARD_LINES
    : values.lines === "all"
    ? Infinity
    : parseNumber("--lines", values.lines, true);
  await using clove = await reachKernel(invocation.socket);
  // Before anything is shown, so that nothing is left out between what is there and what comes.
  let last = values.follow ? (await clove.audit.log({ limit: 1 })).entries[0]?.id ?? 0 : 0;
  const show = async (pages: ReturnType<typeof newestLines>): Promise<void> => {
    for await (const page of pages) {
      for (const { id, entry, event } of page) {
        last = Math.max(last, id);
        if (event) await printJson(event);
        else if (values.json) await printJson(entry);
        else await print(lineText(entry!));
      }
    }
  };
  await show(newestLines(clove, filter, count));
  if (values.follow) await show(laterLines(clove, filter, last));
  return STATUS.ok;
}

function filterOf(values: Values<typeof OPTIONS>): AuditFilter {
  const { agent, category, event, failed, since, until, text, json, ocsf, follow } = values;
  if (json && ocsf) throw new UsageError("Cannot use --json with --ocsf: choose one");
  if (follow && until !== undefined) throw new UsageError("Cannot use --follow with --until: choose one");
  const known = category?.toUpperCase();
  if (known !== undefined && !CATEGORIES.includes(known)) {
    throw new UsageError(`Cannot use --category "${category}": choose from ${CATEGORIES.join(", ")}`);
  }
  return {
    ...(agent === undefined ? {} : agentOf(agent)),
    ...(known === undefined ? {} : { category: known }),
    ...(event === undefined ? {} : { event_type: event }),
    ...(failed ? { only_success: false } : {}),
    ...(since === undefined ? {} : { since: parseTime("--since", since) }),
    ...(until === undefined ? {} : { until: parseTime("--until", until) }),
    ...(text === undefined ? {} : { text }),
    ...(ocsf ? { format: "ocsf" } : {}),
  };
}

function agentOf(text: string): Pick<AuditLogParams, "agent_id" | "agent_name"> {
  const target = targetOf(text);
  return "id" in target ? { agent_id: target.id } : { agent_name: target.name };
}

/** One line for people; `clove why` shows the same. */
export function lineText(
  { timestamp, category, event_type, agent_id, agent_name, success, details }: AuditEntry,
): string {
  const who = agent_id === 0 ? "kernel" : `${agent_name ? printable(agent_name) : "agent"} (${agent_id})`;
  const event = printable(event_type);
  return `${timestamp}  ${category.padEnd(15)}  ${success ? bold(event) : red(event)}  ${who}  ${
    detailText(details)
  }`.trimEnd() + "\n";
}

/** `key=value` pairs; what says the same as the rest of the line is left out. */
export function detailText(details: Readonly<Record<string, unknown>>): string {
  return Object.entries(details)
    .filter(([key, value]) => value !== null && !["agent_id", "name", "agent_name"].includes(key))
    .map(([key, value]) => `${printable(key)}=${valueText(value)}`)
    .join(" ");
}

function valueText(value: unknown): string {
  return typeof value === "string" && /^[\w.,:/@+-]+$/.test(value) ? value : jsonText(value);
}
