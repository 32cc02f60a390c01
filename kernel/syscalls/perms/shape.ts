/**
 * How permissions look on the wire: the original's object, and the flat keys its SDK reads.
 *
 * @module
 */
import { z } from "zod";
import { toPermissionObject } from "../../../permissions/mod.ts";
import type { Grants } from "../../approvals/grants.ts";
import { agentId } from "../../fields.ts";
import type { Principal } from "../../principals.ts";
import { grantShape } from "./subject.ts";

/** The answer of perms.get and perms.set. */
export const permissionAnswer = z.object({
  success: z.literal(true).describe("Always true."),
  agent_id: agentId("Whose permissions these are."),
  level: z.string().describe("The level they came from, or `custom`."),
  permissions: z.record(z.string(), z.unknown()).describe("The original's permission object."),
  paths: z.array(z.string()).describe("Readable path patterns."),
  commands: z.array(z.string()).describe("Allowed commands."),
  domains: z.array(z.string()).describe("Allowed hosts."),
  rules: z.array(z.string()).describe("The whole policy, in policy syntax, one rule a line."),
  grants: z.array(grantShape).describe(
    "What it was granted beyond its policy, and is still worth something.",
  ),
});

/** A principal's permissions as that answer. */
export function permissionsOf(principal: Principal, grants: Grants): z.input<typeof permissionAnswer> {
  const { authority } = principal;
  const policy = authority.effective();
  const { permissions, level, paths, commands, domains } = toPermissionObject(policy, authority.usage);
  const rules = policy.toString().split("\n");
  return {
    success: true,
    agent_id: principal.id,
    level,
    permissions: { ...permissions },
    paths,
    commands,
    domains,
    rules,
    grants: grants.heldBy(principal),
  };
}
