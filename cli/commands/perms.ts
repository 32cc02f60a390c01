import type { PermsGetResult } from "@clove/sdk";
import { parseLevel, readRules } from "../agent_options.ts";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { findAgent } from "../target.ts";
import { print, printJson } from "../terminal.ts";
import { printable } from "../text.ts";

const OPTIONS = {
  policy: { type: "string" },
  json: { type: "boolean" },
} as const;

/** `clove perms`: what an agent may do. */
export const perms: Command = {
  help: `Show and change what an agent may do.

Usage: clove perms show NAME|ID
       clove perms set NAME|ID LEVEL
       clove perms set NAME|ID --policy FILE

  --policy FILE   rules, one a line; what "show" prints can be used
  --json          print everything the kernel says, as JSON
  --help          print this

LEVEL is unrestricted, standard, sandboxed, readonly or minimal.
`,
  async run(invocation) {
    const { values, plain } = invocation.options(OPTIONS, {
      min: 2,
      max: 3,
      words: "show or set, and NAME or ID,",
    });
    const [verb, who, word] = plain;
    if (verb !== "show" && verb !== "set") {
      throw new UsageError(`Cannot perms ${verb}: choose from show, set, see "clove perms --help"`);
    }
    if (verb === "show" && (word !== undefined || values.policy !== undefined)) {
      throw new UsageError('Cannot perms show: it takes only NAME or ID, see "clove perms --help"');
    }
    if (verb === "set" && (word === undefined) === (values.policy === undefined)) {
      throw new UsageError('Cannot perms set: give either LEVEL or --policy FILE, see "clove perms --help"');
    }
    const wanted = values.policy === undefined
      ? { level: parseLevel(word) }
      : { policy: await readRules({ policy: values.policy }) };
    await using clove = await reachKernel(invocation.socket);
    const { id: agent_id, name } = await findAgent(clove, who!);
    const answer = verb === "show"
      ? await clove.perms.get({ agent_id })
      : await clove.perms.set({ agent_id, ...wanted });
    await show(name, answer, values.json ?? false);
    return STATUS.ok;
  },
};

async function show(name: string, answer: PermsGetResult, json: boolean): Promise<void> {
  if (json) return await printJson(answer);
  const { agent_id, level, rules } = answer;
  // As comments, so that all of it is a policy file.
  await print(
    `# ${name} (${agent_id}), level ${level}\n${rules.map((rule) => `${printable(rule)}\n`).join("")}`,
  );
}
