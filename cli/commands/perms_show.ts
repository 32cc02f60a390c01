import type { PermsGetResult } from "@clove/sdk";
import { parseLevel, readRules } from "../agent_options.ts";
import type { Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { termsText } from "../grant_text.ts";
import { findAgent } from "../target.ts";
import { print, printJson } from "../terminal.ts";
import { printable } from "../text.ts";

/** `clove perms show`: the policy, and what was granted beyond it. */
export async function permsShow(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { json: { type: "boolean" } },
    { min: 1, max: 1, words: "NAME or ID" },
    args,
  );
  await using clove = await reachKernel(invocation.socket);
  const { id: agent_id, name } = await findAgent(clove, plain[0]!);
  await show(name, await clove.perms.get({ agent_id }), values.json ?? false);
  return STATUS.ok;
}

/** `clove perms set`: another policy. */
export async function permsSet(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { policy: { type: "string" }, json: { type: "boolean" } },
    { min: 1, max: 2, words: "NAME or ID" },
    args,
  );
  const [who, level] = plain;
  if ((level === undefined) === (values.policy === undefined)) {
    throw new UsageError('Cannot perms set: give either LEVEL or --policy FILE, see "clove perms --help"');
  }
  const wanted = values.policy === undefined
    ? { level: parseLevel(level) }
    : { policy: await readRules({ policy: values.policy }) };
  await using clove = await reachKernel(invocation.socket);
  const { id: agent_id, name } = await findAgent(clove, who!);
  await show(name, await clove.perms.set({ agent_id, ...wanted }), values.json ?? false);
  return STATUS.ok;
}

async function show(name: string, answer: PermsGetResult, json: boolean): Promise<void> {
  if (json) return await printJson(answer);
  const { agent_id, level, rules, grants } = answer;
  // As comments, so that all of it is a policy file.
  const lines = [
    `# ${name} (${agent_id}), level ${level}`,
    ...rules,
    ...grants.map((grant) => `# grant ${grant.grant_id}, ${termsText(grant)}: ${grant.rules.join("; ")}`),
  ];
  await print(lines.map((line) => `${printable(line)}\n`).join(""));
}
