/**
 * What is done to the machine's files for an agent. A simulated machine has none, and brings its own.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { usedBytes } from "./disk.ts";
import type { Layout } from "./launch.ts";
import {
  copyScript,
  give,
  makeMountPoints,
  makePlaces,
  type PrivatePlaces,
  removePlaces,
  type Wanted,
} from "./places.ts";
import { findProgram } from "./program.ts";
import type { Place } from "./view.ts";

/** The acts, one by one; each throws what the file system says. */
export interface AgentFiles {
  /** The program of a name or path. @throws {SyscallError} `not_found`, `bad_request`. */
  findProgram(name: string): Promise<string>;
  /** Makes the private directories, for the user the agent will be. */
  make(places: PrivatePlaces, layout: Layout): Promise<void>;
  /** Makes the mount points that lie within the private directories. */
  makeMountPoints(places: PrivatePlaces, wanted: readonly Wanted[], layout: Layout): Promise<void>;
  /** Copies a script that its spawner could still change; resolves with where the copy is. */
  copyScript(place: Place, places: PrivatePlaces): Promise<string>;
  /** Writes a file that the agent may read. */
  write(path: string, text: string): Promise<void>;
  /** Makes a file or directory the agent's own. */
  give(path: string, layout: Layout): Promise<void>;
  /** Removes the private directories with all that is in them. */
  remove(places: PrivatePlaces): Promise<void>;
  /** Counts the bytes in the private directories, up to a bound. Absent: nobody does. */
  used?(places: PrivatePlaces, most: number): Promise<number>;
}

/** On the machine's own file system. */
export const hostFiles: AgentFiles = {
  findProgram: (name) => findProgram(name),
  make: makePlaces,
  makeMountPoints,
  copyScript,
  write: (path, text) => writeFile(path, text, { mode: 0o644 }),
  give,
  remove: removePlaces,
  used: ({ work, tmp, denoDir }, most) => usedBytes([work, tmp, denoDir], most),
};
