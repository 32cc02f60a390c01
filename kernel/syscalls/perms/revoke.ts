import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { demandSubject, refuse, subjectFields } from "./subject.ts";

/** Takes a right back. */
export const permsRevoke = defineSyscall({
  name: "perms.revoke",
  wire: "REVOKE",
  opcode: 0x45,
  since: "0.1.0",
  summary:
    "Takes granted rights back, at once and from all who hold something by them: the giver, the holder, who is above it, or an operator.",
  params: z.strictObject({
    ...subjectFields,
    grant_id: z.int().min(1).optional().describe("Which; absent: all that the caller may take back."),
    kept: z.boolean().default(false).describe(
      "For operators: forget what agents of this `name` (`planner/worker`) were given for good, whether one lives or not.",
    ),
  }),
  result: z.object({
    agent_id: agentId("Who held them; 0 with `kept`.").optional(),
    revoked: z.array(z.int()).describe("The numbers of the grants that are gone."),
    forgotten: z.array(z.string()).optional().describe("With `kept`: the rules that are given no more."),
  }),
  record: ({ agent_id, name, grant_id, kept }) => ({ agent_id, name, grant_id, kept }),
  tool: false,
  async handle(ctx, params) {
    const { caller, services } = ctx;
    const { grants } = services;
    if (params.kept) return await forget(ctx, params.name);
    const holder = demandSubject(ctx, params);
    const { grant_id } = params;
    const all = holder.authority.grants().filter((grant) => !grant.revoked);
    const may = (grant: (typeof all)[number]): boolean =>
      caller.kind === "operator" || caller.isAbove(holder) || grant.from === caller.authority;
    const mine = all.filter((grant) => may(grant) && (grant_id === undefined || grant.id === grant_id));
    if (grant_id !== undefined && mine.length === 0) {
      // Who may not look learns nothing about which there are.
      if (caller.kind === "operator" || caller.isAbove(holder)) {
        throw new SyscallError("not_found", `Cannot revoke: ${holder.label} holds no grant ${grant_id}`);
      }
      const who = holder.name || holder.id;
      refuse(ctx, {
        syscall: "perms.revoke",
        reason:
          `only its giver, its holder, who is above it, or an operator takes a grant of ${holder.label} back`,
        need: `admin:perms/${who}`,
        ask: `clove perms revoke ${who} ${grant_id}`,
      });
    }
    for (const grant of mine) await grants.revoke(holder, grant, caller);
    return { agent_id: holder.id, revoked: mine.map(({ id }) => id) };
  },
});

async function forget(
  ctx: Context,
  name: string | undefined,
): Promise<{ revoked: number[]; forgotten: string[] }> {
  const { caller, services } = ctx;
  if (name === undefined) throw new SyscallError("bad_request", "name required");
  if (caller.kind !== "operator") {
    refuse(ctx, {
      syscall: "perms.revoke",
      reason: "only an operator forgets what was given for good",
      need: `admin:perms/${name}`,
      ask: `clove perms revoke --kept ${name}`,
    });
  }
  const forgotten: string[] = [];
  for (const { lineage, rules } of services.kept.of(name)) {
    if (await services.grants.forget(lineage, rules, caller)) forgotten.push(...rules.split("\n"));
  }
  return { revoked: [], forgotten };
}
