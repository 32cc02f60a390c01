/**
 * Who an agent is over restarts of the kernel: its name, and the names of those that spawned it.
 *
 * @module
 */
import type { Principal } from "../principals.ts";

/** The names that the kernel gives itself: the next kernel gives them to somebody else. */
const GIVEN = /^agent_\d+_*$/;

/**
 * The path of names from whatever an operator spawned down to this agent, such as `planner/worker`. A name alone would
 * let any agent become another one by spawning a child of that name. Null for who has no lasting name.
 */
export function lineageOf(principal: Principal): string | null {
  const names: string[] = [];
  for (let at: Principal | null = principal; at; at = at.parent) {
    if (at.kind !== "agent" || at.name === "" || GIVEN.test(at.name)) return null;
    names.unshift(at.name);
  }
  return names.join("/");
}
