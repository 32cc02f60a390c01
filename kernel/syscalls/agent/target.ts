/**
 * Which agent a request means, and whether its caller may do something with it.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import type { Agent } from "../../agents/agent.ts";
import { agentId } from "../../fields.ts";
import type { Context } from "../../syscall.ts";

/** `id` or `name`; the number wins. */
export const targetFields = {
  id: agentId("The agent's number; wins over its name.").optional(),
  agent_id: agentId("The same.").optional(),
  name: z.string().max(256).optional().describe("The agent's name."),
} as const;

/** What {@link targetFields} let through. */
export interface Target {
  readonly id?: number;
  readonly agent_id?: number;
  readonly name?: string;
}

/** For the audit line. */
export function recordTarget({ id, agent_id, name }: Target): Record<string, unknown> {
  return { agent_id: id || agent_id, name };
}

/**
 * Finds the agent.
 *
 * @throws {SyscallError} `not_found`, with the original's text; `bad_request` when nobody was named.
 */
export function findAgent(ctx: Context, target: Target): Agent {
  const { agents } = ctx.services;
  const id = target.id || target.agent_id;
  if (!id && !target.name) {
    throw new SyscallError("bad_request", "invalid request: Cannot tell which agent: give id or name");
  }
  const agent = id ? agents.get(id) : agents.named(target.name!);
  if (agent) return agent;
  throw new SyscallError(
    "not_found",
    `Agent not found: ${id ? `no agent has the number ${id}` : `"${target.name}"`}`,
    {
      details: { agent_id: id ?? 0 },
    },
  );
}

/**
 * Finds the agent and makes sure that the caller may manage it: its spawner, whoever is above it, an operator, or
 * one who holds `admin`.
 *
 * @param self True when an agent may do this to itself.
 */
export function managedAgent(ctx: Context, target: Target, self: boolean): Agent {
  const agent = findAgent(ctx, target);
  if (self && ctx.caller === agent.principal) return agent;
  if (!ctx.services.agents.mayManage(ctx.caller, agent)) ctx.demand(ctx.services.agents.adminNeed(agent));
  return agent;
}
