/**
 * What is below a directory, without following anything and without end.
 *
 * @module
 */
import { constants } from "node:fs";
import { opendir, rmdir, unlink } from "node:fs/promises";
import { closeFd, type Held, HOLDS_BY_DESCRIPTOR, openFd } from "./beneath.ts";
import { FileError } from "./file_error.ts";
import { type FileEntry, typeOf } from "./files.ts";

/** A descriptor is held for each level. */
const DEEPEST = 100;

/** Up to `most` names of a directory, in no order. */
export async function namesIn(dir: { readonly at: string }, most: number): Promise<FileEntry[]> {
  const names: FileEntry[] = [];
  for await (const entry of await opendir(dir.at)) {
    names.push({ name: entry.name, type: typeOf(entry) });
    if (names.length === most) break;
  }
  return names;
}

/** What to do with everything below a directory. */
export interface Visit {
  /** How many things at most. */
  readonly limit: number;
  /** Gets each path as seen inside, before what is below it; throws to refuse. */
  check(inside: string): void;
  /** True: each is removed after what is below it. */
  readonly remove: boolean;
}

/**
 * Visits everything below a directory.
 *
 * @returns How many things there were.
 * @throws {FileError} `limit` when there is more, or deeper, than allowed.
 */
export async function visitTree(top: Held, inside: string, visit: Visit): Promise<number> {
  let count = 0;
  const enter = async (at: string, path: string, depth: number): Promise<void> => {
    const entries = await namesIn({ at }, visit.limit - count + 1);
    count += entries.length;
    if (count > visit.limit || depth > DEEPEST) {
      const how = count > visit.limit
        ? `holds more than ${visit.limit} things`
        : `is deeper than ${DEEPEST} levels`;
      throw new FileError("limit", `Cannot change "${inside}" as a whole: it ${how}, take it in parts`);
    }
    for (const { name, type } of entries) {
      visit.check(`${path}/${name}`);
      const child = `${at}/${name}`;
      if (type === "directory") await descend(child, `${path}/${name}`, depth + 1);
      if (visit.remove) await (type === "directory" ? rmdir(child) : unlink(child));
    }
  };
  const descend = async (at: string, path: string, depth: number): Promise<void> => {
    if (!HOLDS_BY_DESCRIPTOR) return await enter(at, path, depth);
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = await openFd(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    try {
      await enter(`/proc/self/fd/${fd}`, path, depth);
    } finally {
      closeFd(fd);
    }
  };
  await enter(top.at, inside, 0);
  return count;
}
