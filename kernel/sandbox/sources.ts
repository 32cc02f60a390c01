/**
 * Looks at what is to be mounted: what it is, and whether the agent will be able to use it.
 *
 * @module
 */
import { lchownSync } from "node:fs";
import { LaunchError, type Mount } from "../agents/launch.ts";
import { NOBODY, type SourceFacts } from "./plan.ts";

/** How to see to it that an agent can use its mounts. */
export interface ExamineOptions {
  /** The kernel is root and the agent becomes nobody. */
  readonly asRoot: boolean;
  /** What lies below belongs to the kernel, and is given to the agent for good. */
  readonly privateDirectory: string;
  /** A namespace that shows an owner as the agent. */
  readonly idMap: (uid: number, gid: number) => Promise<number>;
}

/** Facts for the plan, and the namespaces they name by position. */
export interface ExaminedMounts {
  readonly sources: ReadonlyMap<string, SourceFacts>;
  /** Descriptors to hand over. */
  readonly idMaps: readonly number[];
}

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const OTHERS_ENTER = 0o001;

/**
 * Examines the sources of mounts. A private directory of the kernel's is given to the agent's user; another owner's
 * place that this user could not use is shown with its owner mapped, so that what the agent writes stays the owner's.
 *
 * @throws {LaunchError} If a source does not exist.
 */
export async function examineMounts(
  mounts: readonly Mount[],
  options: ExamineOptions,
): Promise<ExaminedMounts> {
  const sources = new Map<string, SourceFacts>();
  const idMaps: number[] = [];
  const position = new Map<number, number>();
  for (const mount of mounts) {
    const isPrivate = mount.source.startsWith(`${options.privateDirectory}/`);
    // Our own disk answers in microseconds, less than another thread takes to be told; others' may hang.
    const info = isPrivate ? lookNow(mount) : await look(mount);
    const kind = info.isDirectory ? "directory" : "file";
    let idmap: number | null = null;
    if (options.asRoot && info.uid !== NOBODY) {
      if (isPrivate) {
        if (mount.mode === "rw" || info.isSocket) lchownSync(mount.source, NOBODY, NOBODY);
      } else if (!usableByOthers(info, mount.mode)) {
        const fd = await options.idMap(info.uid ?? 0, info.gid ?? 0);
        idmap = position.get(fd) ?? idMaps.push(fd) - 1;
        position.set(fd, idmap);
      }
    }
    sources.set(mount.source, { kind, idmap });
  }
  return { sources, idMaps };
}

async function look(mount: Mount): Promise<Deno.FileInfo> {
  try {
    return await Deno.lstat(mount.source);
  } catch (cause) {
    throw missing(mount, cause);
  }
}

function lookNow(mount: Mount): Deno.FileInfo {
  try {
    return Deno.lstatSync(mount.source);
  } catch (cause) {
    throw missing(mount, cause);
  }
}

function missing({ source }: Mount, cause: unknown): unknown {
  if (!(cause instanceof Deno.errors.NotFound)) return cause;
  return new LaunchError(`Cannot mount ${JSON.stringify(source)}: it does not exist, make it first`, {
    step: "plan",
    errno: "ENOENT",
    cause,
  });
}

function usableByOthers(info: Deno.FileInfo, mode: "ro" | "rw"): boolean {
  const needed = OTHERS_READ | (mode === "rw" ? OTHERS_WRITE : 0) | (info.isDirectory ? OTHERS_ENTER : 0);
  return ((info.mode ?? 0) & needed) === needed;
}
