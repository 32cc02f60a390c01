/**
 * What of the machine's files an agent sees, and under which names. The same table serves the process (as mounts),
 * the file syscalls, EXEC and SPAWN, so that one path means one file everywhere.
 *
 * @module
 */
import { realpath } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";

/** One place that is seen. */
export interface ViewMount {
  /** Absolute path as the agent writes it. */
  readonly inside: string;
  /** Absolute, resolved path on the host. */
  readonly outside: string;
  readonly mode: "ro" | "rw";
}

/** What a principal sees. */
export interface AgentView {
  /** Where relative paths begin, as seen inside. */
  readonly cwd: string;
  /** Null: the whole host under its own names. */
  readonly mounts: readonly ViewMount[] | null;
  /** Who owns new files, where the kernel may say so. */
  readonly uid?: number;
  readonly gid?: number;
}

/** A path that was found. */
export interface Place {
  /** As seen inside, every link resolved. */
  readonly inside: string;
  /** On the host, every link resolved. */
  readonly outside: string;
  readonly mode: "ro" | "rw";
  /** The host directory it must not lead out of; `/` for a view of the whole host. */
  readonly root: string;
}

/** The whole host, from a directory. */
export function hostView(cwd: string): AgentView {
  return { cwd, mounts: null };
}

/** An absolute path without `.` and `..`, as seen inside. Links are not looked at. */
export function insidePath(view: AgentView, path: string): string {
  if (path.includes("\0")) throw new SyscallError("bad_request", "Cannot use a path with a zero byte in it");
  return isAbsolute(path) ? resolve(path) : resolve(view.cwd, path);
}

/**
 * Finds a path: maps it to the host, resolves every link, and refuses what leads out of the mount it is in.
 *
 * @throws {SyscallError} `not_found` when there is nothing, or nothing the view shows.
 */
export async function findPlace(view: AgentView, path: string): Promise<Place> {
  const inside = insidePath(view, path);
  const mount = mountOf(view, inside);
  if (!mount) throw notFound(inside, "it is outside of what the agent sees");
  const lexical = swap(inside, mount.inside, mount.outside);
  let outside: string;
  try {
    outside = await realpath(lexical);
  } catch (cause) {
    throw notFound(inside, (cause as { code?: string }).code ?? "it cannot be resolved", cause);
  }
  if (!isBeneath(outside, mount.outside)) {
    throw notFound(inside, "a link in it leads out of what the agent sees");
  }
  return {
    inside: swap(outside, mount.outside, mount.inside),
    outside,
    mode: mount.mode,
    root: mount.outside,
  };
}

/** The mount a path is in: the longest that fits. */
function mountOf(view: AgentView, inside: string): ViewMount | null {
  if (view.mounts === null) return { inside: "/", outside: "/", mode: "rw" };
  let best: ViewMount | null = null;
  for (const mount of view.mounts) {
    if (isBeneath(inside, mount.inside) && mount.inside.length > (best?.inside.length ?? -1)) best = mount;
  }
  return best;
}

/** True for a directory itself and everything below it. */
export function isBeneath(path: string, directory: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

function swap(path: string, from: string, to: string): string {
  const rest = from === "/" ? path : path.slice(from.length);
  return (to === "/" ? rest : to + (rest === "/" ? "" : rest)) || "/";
}

function notFound(path: string, why: string, cause?: unknown): SyscallError {
  return new SyscallError("not_found", `Cannot find "${path}": ${why}`, { cause });
}
