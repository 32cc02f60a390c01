import type { AuditVerifyResult } from "@clove/sdk";
import type { Invocation } from "../command.ts";
import { tryReach } from "../connection.ts";
import { CliError } from "../exit.ts";
import { green, print, printJson, red, say } from "../terminal.ts";
import { printable } from "../text.ts";

/** Nothing was checked, so neither 0, 1 nor 3 would be true. */
const UNCHECKED = 2;

type Report = Omit<AuditVerifyResult, "success">;

/** `clove audit verify`: is every line as it was written? */
export async function auditVerify(invocation: Invocation, args: readonly string[]): Promise<number> {
  const options = { data: { type: "string" }, json: { type: "boolean" } } as const;
  const { values } = invocation.options(options, { min: 0, max: 0, words: "nothing" }, args);
  const report = await examine(invocation, values.data);
  if (values.json) await printJson(report);
  else await print(text(report));
  return report.exit_code;
}

async function examine(invocation: Invocation, data: string | undefined): Promise<Report> {
  try {
    if (data === undefined) {
      await using clove = await tryReach(invocation.socket);
      if (clove) {
        const { success: _, ...report } = await clove.audit.verify({});
        return report;
      }
    }
    // Late: the kernel's code takes its time to load, and a running kernel needs none of it here.
    const { defaultDataDir, verifyAudit } = await import("../../kernel/main.ts");
    const directory = data ?? defaultDataDir(Deno.env.toObject());
    if (data === undefined) say(`no kernel answers at "${invocation.socket.path}", reading "${directory}"`);
    return await verifyAudit(directory);
  } catch (cause) {
    throw new CliError(UNCHECKED, (cause as Error).message, { cause });
  }
}

function text({ status, message, key, head, last_id, signed_id }: Report): string {
  const mark = status === "tampered" ? red("TAMPERED") : status === "torn" ? "TORN" : green("INTACT");
  return `${mark}  ${printable(message)}\n` +
    `last line ${last_id}, hash ${head}\nsigned up to line ${signed_id}, by key ${key}\n`;
}
