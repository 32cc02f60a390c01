/**
 * Where an agent's things lie: its private directories on the host, and what it sees of them.
 *
 * @module
 */
import { chmodSync, chownSync, constants } from "node:fs";
import { mkdir, open, readlink, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "../limits.ts";
import type { Layout, Mount } from "./launch.ts";
import { isWithin, type View, type ViewMount } from "../../worlds/view.ts";
import type { Place } from "./view.ts";

/** The names of an agent's things inside a sandbox. */
export const INSIDE = {
  work: "/work",
  tmp: "/tmp",
  socket: "/run/clove/clove.sock",
  broker: "/run/clove/broker.sock",
  denoDir: "/run/clove/deno",
  sdk: "/run/clove/sdk.js",
  clock: "/run/clove/clock.js",
  scripts: "/run/clove/scripts",
} as const;

/** The private directory of one agent, on the host. */
export interface PrivatePlaces {
  readonly root: string;
  readonly work: string;
  readonly tmp: string;
  readonly denoDir: string;
  readonly socket: string;
  /** Where its Deno asks for permission. */
  readonly broker: string;
  /** The virtual clock of a run that is recorded or replayed. */
  readonly clock: string;
  /** Copies of scripts that the spawner could still change. */
  readonly scripts: string;
}

/** Names the places of an agent; touches nothing. */
export function privatePlaces(runDir: string, id: number): PrivatePlaces {
  const root = join(runDir, "agents", String(id));
  return {
    root,
    work: join(root, "work"),
    tmp: join(root, "tmp"),
    denoDir: join(root, "deno"),
    socket: join(root, "clove.sock"),
    broker: join(root, "broker.sock"),
    clock: join(root, "clock.js"),
    scripts: join(root, "scripts"),
  };
}

/** Makes the directories, for the user the agent will be. */
export async function makePlaces(places: PrivatePlaces, layout: Layout): Promise<void> {
  await mkdir(places.root, { recursive: true, mode: 0o700 });
  const own = [places.work, places.tmp, places.denoDir];
  // On a disk a directory takes a third of a millisecond, in another thread; what follows takes microseconds here.
  await Promise.all([...own, places.scripts].map((path) => mkdir(path, { mode: 0o700 })));
  for (const path of own) giveNow(path, layout);
  chmodSync(places.scripts, 0o755);
}

/**
 * Makes the mount points that lie within the agent's private directories, such as that of a project below `/tmp`.
 *
 * @param wanted All places, with the names they want inside.
 */
export async function makeMountPoints(
  places: PrivatePlaces,
  wanted: readonly Wanted[],
  layout: Layout,
): Promise<void> {
  if (!layout.mounts) return;
  for (const { inside, outside } of wanted) {
    for (const [name, directory] of [[INSIDE.work, places.work], [INSIDE.tmp, places.tmp]] as const) {
      if (inside === name || !isWithin(inside, name)) continue;
      const point = join(directory, inside.slice(name.length));
      if ((await stat(outside)).isDirectory()) await mkdir(point, { recursive: true });
      else {
        await mkdir(dirname(point), { recursive: true });
        await writeFile(point, "");
      }
    }
  }
}

/** Makes a file or directory the agent's own, where it will be another user. */
export function give(path: string, layout: Layout): Promise<void> {
  giveNow(path, layout);
  return Promise.resolve();
}

function giveNow(path: string, { uid, gid }: Layout): void {
  if (uid !== null) chownSync(path, uid, gid ?? uid);
}

/** Removes everything; what an agent left open or unreadable does not keep it. */
export async function removePlaces(places: PrivatePlaces): Promise<void> {
  await rm(places.root, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Copies a script that its spawner can still write to, so that what was checked is what runs. The file is opened
 * without following a link and checked by its descriptor.
 *
 * @returns Where the copy is, on the host.
 */
export async function copyScript(place: Place, places: PrivatePlaces): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(place.outside, flags);
  try {
    const found = await file.stat();
    if (!found.isFile()) {
      throw new SyscallError("bad_request", `Cannot run "${place.inside}": it is no regular file`);
    }
    if (found.size > LIMITS.fileBytes) {
      throw new SyscallError(
        "limit",
        `Cannot run "${place.inside}": it is longer than ${LIMITS.fileBytes} bytes`,
      );
    }
    if (Deno.build.os === "linux" && await readlink(`/proc/self/fd/${file.fd}`) !== place.outside) {
      throw new SyscallError("conflict", `Cannot run "${place.inside}": it was moved meanwhile`);
    }
    const bytes = new Uint8Array(found.size);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const copy = join(places.scripts, basename(place.outside));
    await writeFile(copy, bytes.subarray(0, bytesRead), { mode: 0o644, flag: "wx" });
    return copy;
  } finally {
    await file.close();
  }
}

/** One place for an agent: where it is, where it wants to be seen, and how. */
export interface Wanted {
  readonly outside: string;
  readonly inside: string;
  readonly mode: "ro" | "rw";
}

/**
 * Lays the places out: with mounts everything is where it wants to be; without, it is where it is.
 *
 * @param ruled Those, by their names inside, of which rules say what may be done in them.
 * @returns Mounts in the order in which they have to be made: parents first.
 */
export function mountsOf(
  wanted: readonly Wanted[],
  layout: Layout,
  ruled: ReadonlySet<string> = new Set(),
): Mount[] {
  const byTarget = new Map<string, Mount>();
  for (const { outside, inside, mode } of wanted) {
    const target = layout.mounts ? inside : outside;
    // The same place twice, once writable: writable is what was asked for.
    if (byTarget.get(target)?.mode === "rw") continue;
    byTarget.set(target, { source: outside, target, mode, ...(ruled.has(inside) ? { ruled: true } : {}) });
  }
  return [...byTarget.values()].sort((a, b) => a.target < b.target ? -1 : 1);
}

/**
 * What file syscalls see for the agent. Its work and temporary directories have their usual names even where no
 * mounts take place; an agent that was started without a sandbox sees the host besides.
 */
export function viewOf(wanted: readonly Wanted[], sandboxed: boolean, layout: Layout): View {
  const mounts: ViewMount[] = sandboxed ? [] : [{ inside: "/", outside: "/", mode: "rw" }];
  for (const { inside, outside, mode } of wanted) {
    if (!sandboxed && inside === INSIDE.tmp) continue;
    mounts.push({ inside, outside, mode });
    // The process knows such a place by its real name only.
    if (!layout.mounts && inside !== outside && sandboxed) mounts.push({ inside: outside, outside, mode });
  }
  const { uid, gid } = layout;
  return { cwd: INSIDE.work, mounts, ...(uid === null ? {} : { uid, gid: gid ?? uid }) };
}
