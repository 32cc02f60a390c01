/**
 * What a policy's rules about files and programs mean to the operating system: the mounts they ask for, and what
 * Landlock then allows in them.
 *
 * A rule can be kept there when it names a file or directory that exists. Patterns with wildcards within a name cannot,
 * and give a program nothing; denies within a directory that is allowed are kept by the dispatcher and by Deno alone.
 *
 * @module
 */
import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { isWritten, namedPlaces, namedPrograms, type Policy } from "../../permissions/mod.ts";
import { isWithin, mountOf, outsideOf, type View } from "../../worlds/view.ts";
import { SyscallError } from "@clove/sdk/protocol";
import type { FileRules } from "./launch.ts";
import { INSIDE } from "./places.ts";
import { PROGRAM_PATH } from "./program.ts";
import { interpreterOf } from "./shebang.ts";
import { findPlace, type Place } from "./view.ts";

/** Names that mean the agent's own, whatever lies there on the host, and those that every sandbox has its own way with. */
const TAKEN = [INSIDE.work, INSIDE.tmp, "/run/clove", "/proc", "/dev", "/sys"];
/** Mounts that a policy can ask for; each takes a few steps of a launch, which may have several hundred. */
const MOST_PLACES = 24;

/** A place that the rules of a policy name. */
export interface RuledPlace {
  readonly path: string;
  readonly outside: string;
  readonly mode: "ro" | "rw";
}

/**
 * The places of the host that a policy names and that exist: to be shown to the agent. What a level allows is left
 * out, and so is what lies within another one.
 *
 * @param view What of the host its spawner sees.
 * @param given Places that are shown anyway; what is to be written needs its own mount within one for reading.
 */
export async function ruledPlaces(
  policy: Policy,
  view: View,
  given: readonly { readonly inside: string; readonly mode: "ro" | "rw" }[],
): Promise<readonly RuledPlace[]> {
  const found = new Map<string, RuledPlace>();
  // Shorter paths come first, so a directory is there before what lies in it.
  for (const { path, capability } of namedPlaces(policy, { own: true })) {
    const isThere = given.some(({ inside, mode }) => {
      return isWithin(path, inside) && (mode === "rw" || capability === "fs.read");
    });
    if (path === "/" || isThere || TAKEN.some((taken) => isWithin(path, taken))) continue;
    const place = await lookUp(view, path);
    if (place === null || (found.size >= MOST_PLACES && !found.has(path))) continue;
    const writes = capability === "fs.write" || found.get(path)?.mode === "rw";
    found.set(path, {
      path,
      outside: place.outside,
      mode: writes && place.mode === "rw" ? "rw" : "ro",
    });
  }
  // A place within another one of at least the same mode is there already.
  return [...found.values()].filter((place) =>
    ![...found.values()].some((other) =>
      other !== place && isWithin(place.path, other.path) && (other.mode === "rw" || place.mode === "ro")
    )
  );
}

/** Null for what is not there, and for names that lead elsewhere: policies are about resolved paths. */
async function lookUp(view: View, path: string): Promise<Place | null> {
  try {
    const place = await findPlace(view, path);
    if (place.inside !== path) return null;
    const found = await stat(place.outside);
    return found.isDirectory() || found.isFile() ? place : null;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "not_found") return null;
    throw error;
  }
}

/**
 * What Landlock is to allow a program; undefined where no rule was written, and its level says it all: then it may use
 * all that is mounted and run what it finds.
 *
 * @param policy All of it, with what those above the agent hold.
 * @param view The agent's own.
 * @param program The agent's own program, which may be executed in any case, and its interpreter with it.
 */
export function fileRules(policy: Policy, view: View, program: string): FileRules | undefined {
  if (!isWritten(policy)) return undefined;
  const mounts = view.mounts ?? [];
  const files: FileRules["files"][number][] = [];
  for (const { path, below, capability } of namedPlaces(policy)) {
    // Of a tree that holds several mounts, each of them.
    const held = below
      ? mounts.filter(({ inside }) => isWithin(inside, path)).map(({ inside }) => inside)
      : [];
    for (const at of new Set([path, ...held])) {
      const mount = mountOf(mounts, at);
      const kind = mount === null ? null : kindOf(outsideOf(mount, at));
      if (kind === null) continue;
      if (capability === "fs.write") {
        // In a directory alone nothing can be written: what is made there lies below it.
        if (kind === "file" || below) files.push({ path: at, kind, mode: "write" });
      } else files.push({ path: at, kind, mode: kind === "file" || below ? "read" : "list" });
    }
  }
  const names = namedPrograms(policy);
  if (names === null) return { files, programs: null };
  const mount = mountOf(mounts, program);
  const interpreter = interpreterOf(mount === null ? program : outsideOf(mount, program));
  return {
    files,
    programs: [...new Set([...names.flatMap(pathsOf), ...(interpreter ? [interpreter] : [])])],
  };
}

/** A bare name means a program of that name in any of the system's directories. */
function pathsOf(name: string): string[] {
  if (name.startsWith("/")) return [name];
  return PROGRAM_PATH.split(":").map((directory) => `${directory}/${name}`)
    .filter((path) => kindOf(path) === "file");
}

function kindOf(path: string): "directory" | "file" | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : found.isDirectory() ? "directory" : "file";
}
