/**
 * The walls that `--require` names.
 *
 * @module
 */
import type { AgentSpawnParams } from "@clove/sdk";
import { UsageError } from "./exit.ts";

type Wall = NonNullable<AgentSpawnParams["require"]>[number];

/** As a record, so that the compiler notices a wall that is missing here. */
const ALL: Readonly<Record<Wall, true>> = {
  pid: true,
  mount: true,
  net: true,
  uts: true,
  ipc: true,
  user: true,
  caps: true,
  seccomp: true,
  landlock: true,
  cgroup: true,
};
const WALLS = Object.keys(ALL) as readonly Wall[];
/** How many there are. */
export const WALL_COUNT: number = WALLS.length;
const GROUPS: Readonly<Record<string, readonly Wall[]>> = {
  namespaces: ["pid", "mount", "net", "uts", "ipc"],
  all: WALLS,
};

/**
 * Reads lists of walls, separated by commas; `namespaces` and `all` stand for several.
 *
 * @throws {UsageError} On a word that is no wall.
 */
export function parseWalls(lists: readonly string[]): readonly Wall[] {
  const walls = new Set<Wall>();
  for (const word of lists.flatMap((list) => list.split(",")).map((word) => word.trim())) {
    const group = Object.hasOwn(GROUPS, word) ? GROUPS[word]! : WALLS.filter((wall) => wall === word);
    if (group.length === 0) {
      throw new UsageError(
        `Cannot use --require "${word}": it is no wall, choose from ${WALLS.join(", ")}, namespaces, all`,
      );
    }
    for (const wall of group) walls.add(wall);
  }
  return [...walls];
}
