import type { AgentWhyResult } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { targetOf } from "../target.ts";
import { bold, green, print, printJson, red } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseNumber, showBytes, showSeconds } from "../units.ts";
import { detailText } from "./audit_log.ts";

/** `clove why`: how an agent ended, on one screen. */
export const why: Command = {
  help: `Tell how an agent ended, or how it is doing: the cause, its last calls and output, limits,
refusals and restarts. Works after its end; by NAME also after its kernel's.

Usage: clove why [-n LINES] [--json] NAME|ID

  -n, --lines LINES   of its calls and of its output    [8]
  --json              print everything the kernel says, as JSON
  --help              print this
`,
  async run(invocation) {
    const { values, plain } = invocation.options(
      { lines: { type: "string", short: "n" }, json: { type: "boolean" } },
      { min: 1, max: 1, words: "NAME or ID" },
    );
    const lines = values.lines === undefined ? STANDARD_LINES : parseNumber("--lines", values.lines, true);
    await using clove = await reachKernel(invocation.socket);
    const answer = await clove.agent.why({
      ...targetOf(plain[0]!),
      calls: Math.min(lines, 32),
      lines: Math.min(lines, 200),
    });
    if (values.json) await printJson(answer);
    else await print(screen(answer));
    return STATUS.ok;
  },
};

const STANDARD_LINES = 8;
/** Of the history; what is older says little. */
const HAPPENINGS = 6;
/** Of the refusals, the latest; "clove audit --failed --agent NAME" has all. */
const DENIALS = 4;
/** What the rest of the screen says, or does not need. */
const HIDDEN = [
  "limits",
  "missing",
  "level",
  "parent_id",
  "max_rss",
  "cpu_ms",
  "reason",
  "signal",
  "duration_ms",
];

/** The whole screen. */
export function screen(answer: AgentWhyResult): string {
  const { agent_id, name, why, exit, state } = answer;
  const failed = state === "crashed" || (exit !== null && exit.exit_code !== 0);
  const mark = failed ? red : green;
  return `${bold(printable(name))} (${agent_id}) ${mark(printable(why))}\n\n` + facts(answer) +
    section("happened", answer.history.slice(-HAPPENINGS).map(happening)) +
    section("refused", answer.denials.slice(-DENIALS).flatMap((denial) => denied(denial, answer))) +
    section("last calls", answer.calls.map(call)) +
    section(
      "last output",
      answer.output.map(({ stream, text }) => `${stream === "stderr" ? "! " : "  "}${printable(text)}`),
    );
}

function facts(answer: AgentWhyResult): string {
  const { known, limits, peak_memory, cpu_ms, restart_count, restart_policy, uptime, syscalls, denied } =
    answer;
  const rows: [string, string][] = [];
  if (!known) rows.push(["kernel", "an earlier one: its calls and limits are not known any more"]);
  if (answer.pid > 0) rows.push(["running", `process ${answer.pid}, for ${showSeconds(uptime)}`]);
  const memory = [
    peak_memory === null ? "" : `at most ${showBytes(peak_memory)}`,
    limits === null ? "" : limits.memory === null ? "no limit" : `limit ${showBytes(limits.memory)}`,
  ];
  rows.push(["memory", memory.filter(Boolean).join(", ") || "not known"]);
  if (cpu_ms !== null || limits !== null) {
    const cpus = limits?.cpu_quota == null
      ? "no limit"
      : `limit ${round(limits.cpu_quota / limits.cpu_period)} of a CPU`;
    const used = cpu_ms === null ? "" : `${(cpu_ms / 1000).toFixed(2)} s`;
    rows.push(["cpu", [used, limits ? cpus : ""].filter(Boolean).join(", ")]);
  }
  if (limits) rows.push(["processes", limits.max_pids === null ? "no limit" : `limit ${limits.max_pids}`]);
  rows.push([
    "restarts",
    restart_policy === null ? String(restart_count) : `${restart_count}, policy ${restart_policy}`,
  ]);
  if (known) rows.push(["calls", `${syscalls}, ${denied} refused`]);
  if (answer.missing.length > 0) rows.push(["walls", `without ${answer.missing.join(", ")}`]);
  return rows.map(([key, value]) => `  ${key.padEnd(10)} ${printable(value)}\n`).join("");
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `\n${bold(title)}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function happening({ time, event, details }: AgentWhyResult["history"][number]): string {
  const shown = Object.entries(details).filter(([key, value]) => !HIDDEN.includes(key) && value !== 0);
  return `${clockTime(time)}  ${printable(event)}  ${detailText(Object.fromEntries(shown))}`.trimEnd();
}

function denied(
  { time, syscall, need, rule, repeated, ask }: AgentWhyResult["denials"][number],
  { known }: AgentWhyResult,
): string[] {
  const again = repeated > 0 ? `, and ${repeated} times more` : "";
  const what = `${clockTime(time)}  ${printable(need)}${syscall ? ` (${printable(syscall)})` : ""}${again}`;
  const advice = ask || (known && need.includes(":") ? `start it with --allow '${need}'` : "");
  return [
    what,
    ...(rule ? [`          refused by ${printable(rule)}`] : []),
    ...(advice ? [`          to allow it: ${printable(advice)}`] : []),
  ];
}

function call({ time, syscall, about, outcome, duration_ms }: AgentWhyResult["calls"][number]): string {
  const result = outcome === "ok" ? "ok" : red(printable(outcome));
  return `${clockTime(time)}  ${printable(syscall)} ${printable(about)}`.trimEnd() +
    `  ${result}, ${duration_ms.toFixed(duration_ms < 10 ? 2 : 0)} ms`;
}

/** The time of day: the date is seldom in doubt. */
function clockTime(time: number): string {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0"))
    .join(":");
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
