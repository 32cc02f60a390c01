import type { Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { findAgent } from "../target.ts";
import { green, print, printJson, red } from "../terminal.ts";
import { printable } from "../text.ts";

/** `clove perms explain`: may it, and by which rule? */
export async function permsExplain(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { json: { type: "boolean" } },
    { min: 2, max: 256, words: "NAME or ID, and ACT," },
    args,
  );
  const [who, ...act] = plain;
  await using clove = await reachKernel(invocation.socket);
  const { id: agent_id } = await findAgent(clove, who!);
  const answer = await clove.perms.explain({ agent_id, need: act.join(" ") });
  if (values.json) await printJson(answer);
  else {
    const { allowed, need, rule, ask } = answer;
    const lines = [
      `${allowed ? green("yes") : red("no")}  ${printable(need)}`,
      `  ${allowed ? "allowed by" : "refused by"}  ${printable(rule)}`,
      ...(ask === undefined ? [] : [`  to allow it  ${printable(ask)}`]),
    ];
    await print(lines.map((line) => `${line}\n`).join(""));
  }
  return answer.allowed ? STATUS.ok : STATUS.failed;
}
