/**
 * From the files that were used to the few places that rules should name. Pure.
 *
 * @module
 */
import { posix } from "node:path";
import { isWithin } from "../../worlds/view.ts";
import { addExamples, type Seen } from "./evidence.ts";

/** A place that was used. */
export interface UsedPath extends Seen {
  readonly path: string;
  /** All below it is meant. */
  readonly below: boolean;
}

/** In how many of its names a directory has to have been used to be taken whole. */
export const SIBLINGS = 4;

/** So many names a path has, at least, that lies outside of every given directory and is taken whole. */
const DEEP = 3;

interface Node {
  readonly path: string;
  readonly children: Map<string, Node>;
  /** Used itself; null for a mere directory above. */
  seen: Seen | null;
  below: boolean;
}

/**
 * Puts what was used below whole directories under them, and takes a directory whole in which at least `siblings`
 * names were used.
 *
 * @param roots Directories that were given: they may be taken whole. Elsewhere only those may that lie deep enough to be
 *   about one thing, such as `/srv/app/data`.
 */
export function gather(
  used: Iterable<UsedPath>,
  roots: readonly string[],
  siblings: number = SIBLINGS,
): UsedPath[] {
  const top: Node = { path: "/", children: new Map(), seen: null, below: false };
  for (const { path, below, count, examples } of used) {
    const node = nodeOf(top, path);
    node.seen ??= { count: 0, examples: [] };
    node.seen.count += count;
    addExamples(node.seen, examples);
    node.below ||= below;
  }
  collapse(top, roots, siblings);
  const places: UsedPath[] = [];
  collect(top, places);
  return places;
}

function nodeOf(top: Node, path: string): Node {
  let node = top;
  for (const name of path.split("/").filter((name) => name !== "")) {
    let child = node.children.get(name);
    if (child === undefined) {
      child = { path: posix.join(node.path, name), children: new Map(), seen: null, below: false };
      node.children.set(name, child);
    }
    node = child;
  }
  return node;
}

/** From the deepest up, since a directory that was taken whole counts as one name of the one above. */
function collapse(node: Node, roots: readonly string[], siblings: number): void {
  for (const child of node.children.values()) collapse(child, roots, siblings);
  const may = roots.some((root) => isWithin(node.path, root)) || node.path.split("/").length > DEEP;
  if (node.below || (may && node.children.size >= siblings)) {
    const seen = node.seen ?? { count: 0, examples: [] };
    for (const child of node.children.values()) sum(child, seen);
    node.seen = seen;
    node.below = true;
    node.children.clear();
  }
}

function sum(node: Node, into: Seen): void {
  if (node.seen !== null) {
    into.count += node.seen.count;
    addExamples(into, node.seen.examples);
  }
  for (const child of node.children.values()) sum(child, into);
}

function collect(node: Node, into: UsedPath[]): void {
  if (node.seen !== null) into.push({ path: node.path, below: node.below, ...node.seen });
  for (const child of node.children.values()) collect(child, into);
}
