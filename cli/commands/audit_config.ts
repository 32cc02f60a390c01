import type { AuditConfigParams, AuditConfigResult } from "@clove/sdk";
import type { Invocation } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { table } from "../table.ts";
import { print, printJson } from "../terminal.ts";

type Key = keyof AuditConfigResult["config"];

/** As a record, so that the compiler notices a key that is missing here. */
const KEYS: Readonly<Record<Key, "number" | "boolean">> = {
  max_entries: "number",
  max_age_days: "number",
  max_bytes: "number",
  log_syscalls: "boolean",
  log_security: "boolean",
  log_lifecycle: "boolean",
  log_ipc: "boolean",
  log_state: "boolean",
  log_resource: "boolean",
  log_network: "boolean",
  log_world: "boolean",
};

/** `clove audit config`: what is kept. */
export async function auditConfig(invocation: Invocation, args: readonly string[]): Promise<number> {
  const { values, plain } = invocation.options(
    { json: { type: "boolean" } },
    { min: 0, max: 100, words: "KEY=VALUE" },
    args,
  );
  const change: AuditConfigParams = Object.fromEntries(plain.map(setting));
  await using clove = await reachKernel(invocation.socket);
  const { config } = await clove.audit.config(change);
  if (values.json) await printJson(config);
  else {await print(
      table(["KEY", "VALUE"], Object.entries(config).map(([key, value]) => [key, String(value)])),
    );}
  return STATUS.ok;
}

function setting(text: string): [string, number | boolean] {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  if (!Object.hasOwn(KEYS, key)) {
    throw new UsageError(`Cannot set "${key}": choose from ${Object.keys(KEYS).join(", ")}`);
  }
  const value = equals < 0 ? "" : text.slice(equals + 1);
  if (KEYS[key as Key] === "boolean" && (value === "true" || value === "false")) {
    return [key, value === "true"];
  }
  if (KEYS[key as Key] === "number" && /^\d+(\.\d+)?$/.test(value)) return [key, Number(value)];
  const example = KEYS[key as Key] === "boolean" ? "true or false" : "a number";
  throw new UsageError(`Cannot set "${key}" to "${value}": write ${key}=VALUE, with ${example}`);
}
