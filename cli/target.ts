/**
 * Agents as people name them.
 *
 * @module
 */
import type { AgentListResult, Clove } from "@clove/sdk";
import { CliError, STATUS } from "./exit.ts";

/** What the kernel's calls take. */
export type Target = { readonly id: number } | { readonly name: string };

/** `NAME` or `ID`; digits alone are a number. */
export function targetOf(text: string): Target {
  return /^\d{1,10}$/.test(text) ? { id: Number(text) } : { name: text };
}

/**
 * The agent itself, for calls that take only a number: the living one, else the last that had the name.
 *
 * @throws {CliError} When there is none.
 */
export async function findAgent(clove: Clove, text: string): Promise<AgentListResult[number]> {
  const target = targetOf(text);
  const agents = (await clove.agent.list({ all: true }))
    .filter((agent) => "id" in target ? agent.id === target.id : agent.name === target.name);
  const found = agents.findLast(({ state }) => state !== "stopped" && state !== "crashed") ?? agents.at(-1);
  if (found) return found;
  throw new CliError(
    STATUS.failed,
    `Cannot find the agent "${text}": nobody has that name or number, see "clove ps -a"`,
  );
}
