/**
 * From a path as a Deno program writes it to the name that policies use for it.
 *
 * @module
 */
import { lstatSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { isWithin } from "../../worlds/view.ts";

/** A tree of files that an agent can be allowed to touch. */
export interface Tree {
  /** Where the process finds it: absolute, normal. */
  readonly seen: string;
  /** What policies call it. */
  readonly named: string;
  readonly mode: "ro" | "rw";
}

/** The files of one agent. */
export interface Places {
  /** Where the process starts. */
  readonly cwd: string;
  /** Its directory for temporary files, as the process knows it. */
  readonly tmp: string;
  /** The deepest one that holds a path counts. */
  readonly trees: readonly Tree[];
  /** Trees that Deno uses for itself: read without a rule. */
  readonly own: readonly string[];
  /**
   * Names that policies use for a tree which the process knows by another one. Where it says such a name it means
   * something else of the machine, which no rule is about.
   */
  readonly taken: readonly string[];
  /** Whether links can lead somewhere else: true where no mount namespace surrounds the agent. */
  readonly links: boolean;
}

/** A path that was understood, or why not, as a part of a sentence. */
export type Found = { readonly named: string; readonly mode: "ro" | "rw" } | { readonly fault: string };

/** Deno's word for the directory of temporary files, which it does not name to the program. */
const TMP = "<TMP>";
/** Opening them gives nothing away. Deno itself refuses the rest of /dev, and /proc and /sys. */
const DEVICES: ReadonlySet<string> = new Set([
  "/dev/null",
  "/dev/zero",
  "/dev/full",
  "/dev/random",
  "/dev/urandom",
]);
/** Names of a path that may be missing at its end; PATH_MAX allows no more than 2,048. */
const MOST_NAMES = 2_048;

/** True for devices that everybody may use. */
export function isHarmlessDevice(path: string): boolean {
  return DEVICES.has(path);
}

/** True when a path is given relative to wherever the process is. */
export function isRelative(value: string): boolean {
  return !value.startsWith("/") && value !== TMP;
}

/**
 * Finds what a path means. Dots are taken out of the text, as policies do it.
 *
 * @param value As the program wrote it.
 * @param cwd Where the process is.
 */
export function findPath(places: Places, value: string, cwd: string): Found {
  if (value.includes("\0")) return { fault: "it has a NUL character in it" };
  const absolute = absoluteOf(places, value, cwd);
  const path = places.links ? withoutLinks(absolute) : absolute;
  if (path === null) return { fault: "its links cannot be followed" };
  let best: Tree | null = null;
  for (const tree of places.trees) {
    if (isWithin(path, tree.seen) && (best === null || tree.seen.length > best.seen.length)) best = tree;
  }
  if (best === null) return { fault: "it is outside of what the agent was given" };
  const rest = best.seen === "/" ? path : path.slice(best.seen.length);
  const named = best.named === "/" ? rest || "/" : rest === "/" ? best.named : best.named + rest;
  const { seen } = best;
  const isTaken = (name: string): boolean => isWithin(named, name) && !isWithin(seen, name);
  if (seen === best.named && places.taken.some(isTaken)) {
    return { fault: "it is outside of what the agent was given, which has that name for a place of its own" };
  }
  return { named, mode: best.mode };
}

/** True when a path lies in a tree that Deno uses for itself. */
export function isOwn(places: Places, value: string, cwd: string): boolean {
  if (places.own.length === 0) return false;
  const absolute = absoluteOf(places, value, cwd);
  if (!places.own.some((tree) => isWithin(absolute, tree))) return false;
  const path = places.links ? withoutLinks(absolute) : absolute;
  return path !== null && places.own.some((tree) => isWithin(path, tree));
}

/** The path without dots and from the root on. */
export function absoluteOf(places: Places, value: string, cwd: string): string {
  return value === TMP ? places.tmp : posix.resolve(cwd, value);
}

/** Follows every link, also of what is yet to be made; null when that leads nowhere. */
function withoutLinks(path: string): string | null {
  let rest = "";
  let at = path;
  for (let i = 0; i < MOST_NAMES; i++) {
    try {
      const found = realpathSync.native(at);
      return rest === "" ? found : found === "/" ? rest : found + rest;
    } catch (error) {
      const { code } = error as { code?: string };
      // A link to nothing: opening it for writing would make whatever it names.
      if (code !== "ENOENT" || at === "/" || isLink(at)) return null;
      rest = at.slice(at.lastIndexOf("/")) + rest;
      at = posix.dirname(at);
    }
  }
  return null;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    // Not there, or not to be seen: then it is no link that could be followed either.
    return false;
  }
}
