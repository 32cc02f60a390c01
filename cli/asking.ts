/**
 * Questions of agents, put to the person at the terminal while a run goes on.
 *
 * @module
 */
import type { Clove, PermsAnswerParams, PermsAnswerResult } from "@clove/sdk";
import { SyscallError } from "@clove/sdk";
import { CliError, STATUS } from "./exit.ts";
import { say } from "./terminal.ts";
import { printable } from "./text.ts";
import { parseSeconds } from "./units.ts";

/** Lines of standard input, as a person types them. */
export interface Keyboard {
  /** The next line without its end; null when there will be none. */
  line(): Promise<string | null>;
}

/** Asks until it is stopped. */
export interface Asking {
  stop(): void;
}

/** What a person may answer; everything else is no. */
const HINT = "[y] once, [10m] for a time, [life], [always], [N] no";

/**
 * Starts to put questions: those of agents that this connection spawned, and of agents below them.
 *
 * @throws {CliError} When there is no person: standard input or standard error is no terminal.
 */
export async function startAsking(clove: Clove, keyboard: Keyboard | null = terminal()): Promise<Asking> {
  if (!keyboard) {
    throw new CliError(
      STATUS.clove,
      'Cannot ask: --ask needs a terminal on standard input and standard error, see "clove approvals"',
    );
  }
  const { agent_id: self } = await clove.sys.hello();
  const news = clove.perms.approvals({ watch: true });
  const watching = (async () => {
    for await (const { action, request, requests = [] } of news) {
      for (const question of action === "asked" ? [request!] : requests) {
        if (await isOurs(clove, question.agent_id, self)) await ask(clove, question, keyboard);
      }
    }
  })();
  watching.catch((error) => say(`cannot ask any more: ${error.message}`));
  return { stop: () => news.close() };
}

async function isOurs(clove: Clove, id: number, self: number): Promise<boolean> {
  const parents = new Map(
    (await clove.agent.list({ all: true })).map((agent) => [agent.id, agent.parent_id]),
  );
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) if (at === self) return true;
  return false;
}

async function ask(clove: Clove, question: PermsAnswerResult, keyboard: Keyboard): Promise<void> {
  const { request_id, agent_name, agent_id, rules, reason } = question;
  say(`${printable(agent_name)} (${agent_id}) asks for`);
  for (const rule of rules) console.error(`         ${printable(rule)}`);
  if (reason !== "") console.error(`  because it says: ${printable(reason)}`);
  console.error(`  ${HINT}`);
  const answer = readReply(await keyboard.line());
  try {
    const { status } = await clove.perms.answer({ request_id, ...answer });
    say(
      status === "granted"
        ? `granted${answer.answer === "for" ? " for that time" : `, ${answer.answer}`}`
        : "denied",
    );
  } catch (error) {
    // Its time was up, the agent ended, or somebody else was faster.
    if (!(error instanceof SyscallError)) throw error;
    say(printable(error.message));
  }
}

/** What a typed line means. In doubt: no. */
export function readReply(line: string | null): Pick<PermsAnswerParams, "answer" | "duration_ms"> {
  const word = (line ?? "").trim().toLowerCase();
  if (["y", "yes", "once"].includes(word)) return { answer: "once" };
  if (word === "life" || word === "always") return { answer: word };
  // A bare number could be anything.
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(word)) {
    const duration_ms = Math.round(parseSeconds("the answer", word) * 1000);
    if (duration_ms >= 1) return { answer: "for", duration_ms };
  }
  return { answer: "deny" };
}

function terminal(): Keyboard | null {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return null;
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1024);
  let text = "";
  return {
    async line(): Promise<string | null> {
      // What was typed before the question is no answer to it.
      text = "";
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) return text.slice(0, end);
        const length = await Deno.stdin.read(buffer);
        if (length === null) return null;
        text += decoder.decode(buffer.subarray(0, length), { stream: true });
      }
    },
  };
}
