import type { Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { termsText } from "../grant_text.ts";
import { findAgent } from "../target.ts";
import { print, printJson } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseNumber, parseSeconds } from "../units.ts";

/** `clove perms grant`: a right beyond the policy. */
export async function permsGrant(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { for: { type: "string" }, uses: { type: "string" }, json: { type: "boolean" } },
    { min: 2, max: 64, words: "NAME or ID, and RULE," },
    args,
  );
  const [who, ...rules] = plain;
  const duration_ms = values.for === undefined ? undefined : milliseconds("--for", values.for);
  const uses = values.uses === undefined ? undefined : parseNumber("--uses", values.uses, true);
  await using clove = await reachKernel(invocation.socket);
  const { id: agent_id, name } = await findAgent(clove, who!);
  const grant = await clove.perms.grant({ agent_id, rules, duration_ms, uses });
  if (values.json) await printJson(grant);
  else {
    const what = `grant ${grant.grant_id} to ${name} (${agent_id}), ${
      termsText({ ...grant, from: undefined })
    }`;
    await print(`${printable(`${what}: ${grant.rules.join("; ")}`)}\n`);
  }
  return STATUS.ok;
}

/** `clove perms revoke`: takes rights back. */
export async function permsRevoke(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { kept: { type: "boolean" }, json: { type: "boolean" } },
    { min: 1, max: 257, words: "NAME or ID" },
    args,
  );
  const [who, ...grants] = plain;
  const numbers = grants.map((text) => parseNumber("GRANT", text, true));
  if (values.kept && numbers.length > 0) {
    throw new UsageError('Cannot perms revoke: --kept takes a NAME alone, see "clove perms --help"');
  }
  await using clove = await reachKernel(invocation.socket);
  if (values.kept) {
    const { forgotten = [] } = await clove.perms.revoke({ name: who!, kept: true });
    if (values.json) await printJson({ forgotten });
    else await print(forgotten.map((rule) => `${printable(rule)}\n`).join("") || "Nothing was kept\n");
    return STATUS.ok;
  }
  const { id: agent_id, name } = await findAgent(clove, who!);
  const revoked: number[] = [];
  if (numbers.length === 0) revoked.push(...(await clove.perms.revoke({ agent_id })).revoked);
  for (const grant_id of numbers) revoked.push(...(await clove.perms.revoke({ agent_id, grant_id })).revoked);
  if (values.json) await printJson({ agent_id, revoked });
  else {await print(
      `${printable(name)} (${agent_id}): ${
        revoked.length === 0 ? "no grants" : `revoked ${revoked.join(", ")}`
      }\n`,
    );}
  return STATUS.ok;
}

/** A length of time for the kernel: whole milliseconds. */
export function milliseconds(option: string, text: string): number {
  const duration = Math.round(parseSeconds(option, text) * 1000);
  if (duration >= 1) return duration;
  throw new UsageError(`Cannot use ${option} "${text}": it is no time at all`);
}
