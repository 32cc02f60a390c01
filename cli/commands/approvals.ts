import type { PermsAnswerParams, PermsAnswerResult, PermsApprovalsPart } from "@clove/sdk";
import type { Command, Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { termsText } from "../grant_text.ts";
import { table } from "../table.ts";
import { print, printJson } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseNumber, showSeconds } from "../units.ts";
import { milliseconds } from "./perms_grant.ts";

/** A question of an agent. */
type Question = PermsAnswerResult;

const VERBS: Readonly<Record<string, (invocation: Invocation, args: readonly string[]) => Promise<number>>> =
  { list, show, answer };

/** `clove approvals`: what agents ask for. */
export const approvals: Command = {
  help: `See what agents ask for, and answer.

Usage: clove approvals [list] [-f] [--all] [--json]
       clove approvals show ID
       clove approvals answer ID once|life|always|deny [OPTION]...
       clove approvals answer ID for TIME [OPTION]...

list: the questions that wait for an answer.
  --all             also those that were answered lately, and what was given for good
  -f, --follow      and then what comes, until Ctrl-C
  --json            one question a line, as JSON

answer: "once" is good for one act, "for 10m" for a time, "life" while this agent lives, and
"always" also for every agent of this name in the future.
  --rule RULE       grant this instead of what was asked for
  --message TEXT    a word to the agent
  --json            print the question as it is then, as JSON

  --help            print this

What was granted is shown by "clove perms show" and taken back by "clove perms revoke".
`,
  async run(invocation) {
    const [verb = "", ...rest] = invocation.args;
    if (verb === "" || verb.startsWith("-")) return await list(invocation, invocation.args);
    if (Object.hasOwn(VERBS, verb)) return await VERBS[verb]!(invocation, rest);
    throw new UsageError(
      `Cannot approvals ${verb}: choose from ${Object.keys(VERBS).join(", ")}, see "clove approvals --help"`,
    );
  },
};

async function list(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values } = invocation.options(
    { all: { type: "boolean" }, follow: { type: "boolean", short: "f" }, json: { type: "boolean" } },
    { min: 0, max: 0, words: "nothing" },
    args,
  );
  await using clove = await reachKernel(invocation.socket);
  if (values.follow) {
    const news = clove.perms.approvals({ watch: true });
    for await (const part of news) await follow(part, values.json ?? false);
    return STATUS.ok;
  }
  const { requests, kept = [] } = await clove.perms.approvals({ all: values.all ?? false }).result;
  if (values.json) {
    for (const question of requests) await printJson(question);
    return STATUS.ok;
  }
  await print(
    table(["ID", "AGENT", "STATUS", "ASKED", "WANTS", "REASON"], requests.map(row), [0]),
  );
  if (values.all && kept.length > 0) {
    await print(`\n${table(["FOR GOOD", "RULES"], kept.map(({ name, rules }) => [name, rules.join("; ")]))}`);
  }
  return STATUS.ok;
}

function row(question: Question): string[] {
  const { request_id, agent_id, agent_name, status, asked_at, rules, reason } = question;
  const ago = showSeconds(Math.max(0, (Date.now() - asked_at) / 1000));
  return [
    String(request_id),
    `${agent_name} (${agent_id})`,
    status,
    `${ago} ago`,
    rules.join("; "),
    reason,
  ];
}

async function follow({ action, request, requests = [] }: PermsApprovalsPart, json: boolean): Promise<void> {
  for (const question of request ? [request] : requests) {
    if (json) await printJson({ action: request ? action : "open", ...question });
    else {
      const { request_id, agent_id, agent_name, rules, reason } = question;
      const why = reason === "" ? "" : ` because: ${reason}`;
      const what = `${request_id} ${request ? action : "open"} ${agent_name} (${agent_id}) ${
        rules.join("; ")
      }${why}`;
      await print(`${printable(what)}\n`);
    }
  }
}

async function show(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { json: { type: "boolean" } },
    { min: 1, max: 1, words: "ID" },
    args,
  );
  const request_id = parseNumber("ID", plain[0]!, true);
  await using clove = await reachKernel(invocation.socket);
  const { requests } = await clove.perms.approvals({ request_id }).result;
  await tell(requests[0]!, values.json ?? false);
  return STATUS.ok;
}

async function answer(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { rule: { type: "string", multiple: true }, message: { type: "string" }, json: { type: "boolean" } },
    { min: 2, max: 3, words: "ID and an answer" },
    args,
  );
  const [id, kind, time] = plain;
  const params: PermsAnswerParams = {
    request_id: parseNumber("ID", id!, true),
    ...readAnswer(kind!, time),
    ...(values.rule ? { rules: [...values.rule] } : {}),
    ...(values.message === undefined ? {} : { message: values.message }),
  };
  await using clove = await reachKernel(invocation.socket);
  await tell(await clove.perms.answer(params), values.json ?? false);
  return STATUS.ok;
}

const KINDS = ["once", "life", "always", "deny"] as const;

function readAnswer(
  kind: string,
  time: string | undefined,
): Pick<PermsAnswerParams, "answer" | "duration_ms"> {
  if (kind === "for" && time !== undefined) return { answer: kind, duration_ms: milliseconds("for", time) };
  const known = KINDS.find((word) => word === kind);
  if (known && time === undefined) return { answer: known };
  throw new UsageError(
    `Cannot answer "${[kind, time].join(" ").trim()}": choose from once, for TIME, life, always, deny`,
  );
}

async function tell(question: Question, json: boolean): Promise<void> {
  if (json) return await printJson(question);
  await print(questionText(question));
}

/** A question, part by part; everything in it is made printable. */
export function questionText(question: Question): string {
  const { request_id, agent_id, agent_name, rules, reason, status, expires_at } = question;
  const { answer, message, grant_id, granted = [], until, uses } = question;
  const open = `${status}, for another ${showSeconds(Math.max(0, (expires_at - Date.now()) / 1000))}`;
  const given = answer === undefined || answer === "deny" ? [] : [[
    "granted",
    `${granted.join("; ")}, ${termsText({ until, uses_left: uses, kept: answer === "always" })}`,
  ]];
  const parts: readonly (readonly string[])[] = [
    ["question", String(request_id)],
    ["agent", `${agent_name} (${agent_id})`],
    ...rules.map((rule, i) => [i === 0 ? "wants" : "", rule]),
    ["reason", reason === "" ? "none was given" : reason],
    ["status", status === "pending" ? open : status],
    ...given,
    ...(grant_id === undefined ? [] : [["grant", String(grant_id)]]),
    ...(message === undefined ? [] : [["message", message]]),
  ];
  return parts.map(([name, text]) => `${name!.padEnd(8)}  ${printable(text!)}\n`).join("");
}
