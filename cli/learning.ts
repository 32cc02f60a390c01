/**
 * Policies in files: those that people write, and those that `run --learn` made.
 *
 * @module
 */
import { resolve } from "node:path";
import type { AgentSpawnParams } from "@clove/sdk";
import { CliError, STATUS, UsageError } from "./exit.ts";
import { say } from "./terminal.ts";

/**
 * The part of a SPAWN that makes it a run to learn from.
 *
 * @param file As on the command line.
 * @throws {UsageError} When other options bound the run beforehand.
 */
export function learning(
  file: string,
  { level, policy }: { readonly level?: string; readonly policy?: string },
): Pick<AgentSpawnParams, "learn" | "level"> {
  const bound = level !== undefined ? "--level" : policy !== undefined ? "--policy" : null;
  if (bound !== null) {
    throw new UsageError(`Cannot use ${bound} with --learn: what it would not allow could not be learned`);
  }
  // Rules beside it bring a level along, which would be one too many.
  return { learn: resolve(file), level: undefined };
}

/** Says what came of it, where the program's own output does not go. */
export async function tellLearned(file: string): Promise<void> {
  const { rules = [], unseen = [], notes = [] } = JSON.parse(await Deno.readTextFile(file)) as LearnedFile;
  say(`learned ${rules.length} ${rules.length === 1 ? "rule" : "rules"}, for --policy ${file}`);
  for (const { path } of unseen) say(`it looked for "${path}", which it was not shown: --ro ${path} would`);
  for (const note of notes) say(note);
}

interface LearnedFile {
  readonly rules?: readonly { readonly rule: string }[];
  readonly unseen?: readonly { readonly path: string }[];
  readonly notes?: readonly string[];
}

/**
 * The rules in the text of a policy file: one a line, or the JSON that `run --learn` writes.
 *
 * @param path For messages.
 * @throws {CliError} When it begins as JSON and is none of that shape.
 */
export function policyLines(text: string, path: string): readonly string[] {
  if (!text.trimStart().startsWith("{")) return text.split(/\r?\n/);
  const fail = (why: string, cause?: unknown): never => {
    throw new CliError(STATUS.failed, `Cannot read the policy "${path}": ${why}`, { cause });
  };
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    return fail((cause as Error).message, cause);
  }
  const { rules } = read as { rules?: unknown };
  if (!Array.isArray(rules)) return fail('its JSON has no list "rules"');
  return rules.map((each) => {
    const rule = typeof each === "string" ? each : (each as { rule?: unknown } | null)?.rule;
    return typeof rule === "string" ? rule : fail(`${JSON.stringify(each)} in "rules" is no rule`);
  });
}
