/**
 * Whose keys are whose. A namespace is a column of its own and never part of a key, so no key, however it is spelled,
 * reaches into another namespace.
 *
 * @module
 */
import type { Principal } from "../principals.ts";

/** Who sees a key: everyone; the agent of that name, also after its restart; this one identity while it is there. */
export const SCOPES = ["global", "agent", "session"] as const;

/** One of {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number];

/** A table of keys, as it is called in the database. */
export interface Namespace {
  readonly scope: Scope;
  /** `g`, `a:OWNER` or `s:NUMBER`. */
  readonly id: string;
}

/** The one that everybody shares. */
export const GLOBAL: Namespace = { scope: "global", id: "g" };

/** Namespaces that end with a principal, and so are emptied when the data is opened: numbers never come back. */
export const TRANSIENT_PREFIXES = ["s:", "a:#"] as const;

/** Private to one identity, gone with it. */
export function sessionOf(principal: Principal): Namespace {
  return { scope: "session", id: `s:${principal.id}` };
}

/**
 * Private to a name. The first is where writes go; later ones are looked into as well, because an operator's client
 * may have stored something before it registered its name.
 */
export function privateOf(principal: Principal): readonly Namespace[] {
  const nameless = privateTo(`#${principal.id}`);
  if (principal.kind === "agent") return [privateTo(lineage(principal))];
  // A remote agent could register any name that is free, also one whose holder is only away.
  if (principal.kind === "remote" || !principal.name) return [nameless];
  return [privateTo(`@${principal.name}`), nameless];
}

/** The namespace of an id that was read back. */
export function namespaceOf(id: string): Namespace {
  return { id, scope: id === GLOBAL.id ? "global" : id.startsWith("a:") ? "agent" : "session" };
}

function privateTo(owner: string): Namespace {
  return { scope: "agent", id: `a:${owner}` };
}

/**
 * The names from the first ancestor down, such as `planner/helper`: an agent that starts a child under the name of
 * somebody else's ended agent does not inherit what that one kept to itself.
 */
function lineage(agent: Principal): string {
  let path = agent.name;
  for (let at = agent.parent; at; at = at.parent) {
    path = `${at.kind === "agent" ? at.name : `#${at.id}`}/${path}`;
  }
  return path;
}

/**
 * Who pays for what a principal stores: the first ancestor, so that children are no way around its limits. Null for
 * operators, who have none.
 */
export function accountOf(principal: Principal): string | null {
  let top = principal;
  while (top.parent) top = top.parent;
  if (top.kind === "operator") return null;
  // All remote agents together: a new connection is a new number.
  return top.kind === "remote" ? "#remote" : top.name;
}
