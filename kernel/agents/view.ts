/**
 * What of the machine's files an agent sees, and under which names. The same table serves the process (as mounts),
 * the file syscalls, EXEC and SPAWN, so that one path means one file everywhere.
 *
 * @module
 */
import { realpath } from "node:fs/promises";
import { SyscallError } from "@clove/sdk/protocol";
import { FileError } from "../../worlds/file_error.ts";
import { insidePath, isWithin, mountOf, outsideOf, type View } from "../../worlds/view.ts";

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
export function hostView(cwd: string): View {
  return { cwd, mounts: null };
}

/**
 * Finds a path: maps it to the host, resolves every link, and refuses what leads out of the mount it is in.
 *
 * @throws {SyscallError} `not_found` when there is nothing, or nothing the view shows.
 */
export async function findPlace(view: View, path: string): Promise<Place> {
  const inside = lexical(view, path);
  const mount = view.mounts === null ? HOST : mountOf(view.mounts, inside);
  if (!mount) throw notFound(inside, "it is outside of what the agent sees");
  let outside: string;
  try {
    outside = await realpath(outsideOf(mount, inside));
  } catch (cause) {
    throw notFound(inside, (cause as { code?: string }).code ?? "it cannot be resolved", cause);
  }
  if (!isWithin(outside, mount.outside)) {
    throw notFound(inside, "a link in it leads out of what the agent sees");
  }
  return {
    inside: outsideOf({ ...mount, inside: mount.outside, outside: mount.inside }, outside),
    outside,
    mode: mount.mode,
    root: mount.outside,
  };
}

const HOST = { inside: "/", outside: "/", mode: "rw" } as const;

function lexical(view: View, path: string): string {
  try {
    return insidePath(view, path);
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new SyscallError("bad_request", cause.message, { cause });
  }
}

function notFound(path: string, why: string, cause?: unknown): SyscallError {
  return new SyscallError("not_found", `Cannot find "${path}": ${why}`, { cause });
}
