/**
 * What the rows about secrets share.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import type { Context } from "../../syscall.ts";

/** What is told of a secret. Never its value. */
export const secretFields = {
  name: z.string().describe("Its name."),
  created: z.number().describe("Epoch milliseconds."),
  updated: z.number().describe("Epoch milliseconds at which its value was last set."),
};

/**
 * Refuses everybody but operators, whatever their rules: who can set a secret could take another's place.
 *
 * @throws {SyscallError} `denied`.
 */
export function onlyOperators(ctx: Context, verb: string): void {
  if (ctx.caller.kind === "operator") return;
  const missing = `admin:secret.${verb}`;
  throw new SyscallError("denied", `Permission denied: only an operator can ${verb} secrets`, {
    receipt: {
      need: missing,
      rule: "secrets are set and removed by operators",
      missing,
      ask: `clove secret ${verb} NAME`,
    },
  });
}

/** One line of the audit log about a change. */
export function writeLine(ctx: Context, event_type: string, name: string): void {
  const { caller, services } = ctx;
  services.audit.write({
    category: "SECURITY",
    event_type,
    agent_id: caller.id,
    agent_name: caller.name,
    details: { secret: name },
  });
}
