import { ArgvPattern } from "./argv_pattern.ts";
import { fileNeed } from "./need.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Policy } from "./policy.ts";
import { programMatches } from "./program.ts";
import type { Rule } from "./rule.ts";
import { weigh } from "./weigh.ts";

/** A file or directory that a policy allows by its very name, so that an operating system can be told of it. */
export interface NamedPlace {
  /** Absolute, as policies name it. */
  readonly path: string;
  /** Whether all below it is meant too. */
  readonly below: boolean;
  readonly capability: "fs.read" | "fs.write";
}

/** A name that nobody wrote into a rule: it stands for whatever is there. */
const UNLIKELY = "0e5b2f0c-any-name";

/**
 * The places that a policy allows by name, each once, wider ones first. Patterns with wildcards within them are left
 * out: nobody knows beforehand which files they will mean. Of a tree the root and what lies anywhere in it have to be
 * allowed; a deny about single names within it, such as `**` + `/.env`, is not seen here.
 *
 * @param own True leaves out what a level allows, such as `/**`.
 */
export function namedPlaces(policy: Policy, options: { readonly own?: boolean } = {}): readonly NamedPlace[] {
  const found = new Map<string, NamedPlace>();
  for (const { parts } of policy.layers) {
    for (const rule of options.own ? parts.own : parts.rules) {
      const place = placeOf(rule);
      if (place !== null && isAllowed(policy, place)) {
        found.set(`${place.capability} ${place.below} ${place.path}`, place);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
}

function placeOf({ deny, capability, pattern }: Rule): NamedPlace | null {
  if (deny || (capability !== "fs.read" && capability !== "fs.write")) return null;
  if (!(pattern instanceof PathPattern) || pattern.root === null) return null;
  return { path: pattern.root, below: pattern.below, capability };
}

function isAllowed(policy: Policy, { path, below, capability }: NamedPlace): boolean {
  if (!weigh(policy, fileNeed(capability, path)).allowed) return false;
  const deep = `${path === "/" ? "" : path}/${UNLIKELY}/${UNLIKELY}`;
  return !below || weigh(policy, fileNeed(capability, deep)).allowed;
}

/**
 * The programs that a policy allows to be run, with whatever arguments, as bare names and whole paths; null when some
 * rule leaves the program open, so that no list can be made.
 */
export function namedPrograms(policy: Policy): readonly string[] | null {
  const lists = policy.layers.map((layer) => layer.allowing("exec"));
  const closed = lists.filter((rules) => !rules.some((rule) => rule.firstWord === null));
  if (closed.length === 0) return lists.length === 0 ? [] : null;
  const names = new Set(closed.flatMap((rules) => rules.map((rule) => rule.firstWord!)));
  return [...names].filter((name) =>
    lists.every((rules) => rules.some((rule) => isAbout(rule, name))) &&
    !policy.layers.some((layer) => layer.denying("exec").some((rule) => rule.program === name))
  ).sort();
}

function isAbout({ pattern }: Rule, name: string): boolean {
  return pattern instanceof ArgvPattern &&
    (pattern.all || programMatches(pattern.words[0]!, name, "system"));
}

/** Whether a policy, or a part of it, is made of rules that somebody wrote, with no level beside them. */
export function isWritten(policy: Policy): boolean {
  return policy.layers.some((layer) => layer.parts.level === null);
}
