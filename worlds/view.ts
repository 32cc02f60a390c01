/**
 * What of a machine's files somebody sees, and under which names. Pure: paths are compared, nothing is opened.
 *
 * @module
 */
import { posix } from "node:path";
import { FileError } from "./file_error.ts";

/** A place of the host under the name by which it is seen. */
export interface ViewMount {
  /** Absolute, normal path as the owner of the view writes it. */
  readonly inside: string;
  /** Absolute path on the host. */
  readonly outside: string;
  readonly mode: "ro" | "rw";
}

/** What somebody sees. */
export interface View {
  /** Where relative paths begin, as seen inside. */
  readonly cwd: string;
  /** Null: the whole host under its own names. Else nothing but these exists; the longest name wins. */
  readonly mounts: readonly ViewMount[] | null;
  /** Who owns new files, where the kernel is root. */
  readonly uid?: number;
  readonly gid?: number;
}

/** PATH_MAX of Linux, in bytes. */
const LONGEST_PATH = 4096;

/**
 * The absolute path without `.`, `..` and doubled slashes. Links are not looked at.
 *
 * @throws {FileError} `bad_request`.
 */
export function insidePath(view: View, path: string): string {
  if (path === "") throw new FileError("bad_request", "path required");
  if (path.includes("\0")) throw new FileError("bad_request", "Cannot use a path with a NUL character in it");
  if (!path.isWellFormed()) {
    throw new FileError("bad_request", "Cannot use a path with half a surrogate pair in it");
  }
  if (path.length > LONGEST_PATH) {
    throw new FileError("bad_request", `Cannot use a path of more than ${LONGEST_PATH} bytes`);
  }
  return posix.resolve(view.cwd, path);
}

/** `/a` holds `/a` and `/a/b`, not `/ab`. */
export function isWithin(path: string, dir: string): boolean {
  return path === dir || dir === "/" || (path.startsWith(dir) && path[dir.length] === "/");
}

/** The mount that shows a path, or null. */
export function mountOf(mounts: readonly ViewMount[], inside: string): ViewMount | null {
  let best: ViewMount | null = null;
  for (const mount of mounts) {
    if (!isWithin(inside, mount.inside)) continue;
    if (best === null || mount.inside.length > best.inside.length) best = mount;
  }
  return best;
}

/** Where a mount puts one of its paths on the host. */
export function outsideOf(mount: ViewMount, inside: string): string {
  const rest = mount.inside === "/" ? inside : inside.slice(mount.inside.length);
  if (rest === "" || rest === "/") return mount.outside;
  return mount.outside === "/" ? rest : mount.outside + rest;
}

/** The names directly below a directory that exist only because mounts are further down; empty when there are none. */
export function mountPointsBelow(mounts: readonly ViewMount[], inside: string): string[] {
  const names = new Set<string>();
  for (const mount of mounts) {
    if (mount.inside === inside || !isWithin(mount.inside, inside)) continue;
    const rest = mount.inside.slice(inside === "/" ? 1 : inside.length + 1);
    names.add(rest.split("/", 1)[0]!);
  }
  return [...names];
}

/** May something be written there? @throws {FileError} `denied`. */
export function demandWritable(view: View, inside: string): void {
  if (view.mounts === null) return;
  const mount = mountOf(view.mounts, inside);
  if (mount && mount.mode === "ro") {
    throw new FileError("denied", `Cannot write "${inside}": "${mount.inside}" is mounted read-only`);
  }
}
