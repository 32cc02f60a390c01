/**
 * The files of an agent as its broker has to know them, from the way they were laid out.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import type { Places, Tree } from "./places.ts";

/** How an agent's files were laid out. */
export interface LaidOut {
  /** Where the process starts, as it knows it. */
  readonly cwd: string;
  /** Its directory for temporary files, as it knows it. */
  readonly tmp: string;
  /** Deno's own directory, as the process knows it. */
  readonly denoDir: string;
  /** Every place it was given, by the name that policies use and by its path on the host. */
  readonly given: readonly {
    readonly inside: string;
    readonly outside: string;
    readonly mode: "ro" | "rw";
  }[];
  /** Whether a mount namespace gives the process the names that policies use. */
  readonly mounted: boolean;
  /** Whether it sees the whole host besides. */
  readonly host: boolean;
}

/** Looks at the machine, for links in the places' own paths. */
export function placesOf({ cwd, tmp, denoDir, given, mounted, host }: LaidOut): Places {
  const trees = new Map<string, Tree>();
  if (host) trees.set("/", { seen: "/", named: "/", mode: "rw" });
  for (const { inside, outside, mode } of given) {
    const seen = mounted ? inside : realpathSync.native(outside);
    if (trees.get(seen)?.mode === "rw" && seen !== "/") continue;
    trees.set(seen, { seen, named: inside, mode });
  }
  return {
    cwd,
    tmp,
    trees: [...trees.values()],
    own: [mounted ? denoDir : realpathSync.native(denoDir)],
    taken: mounted ? [] : given.filter((place) => place.inside !== place.outside).map(({ inside }) => inside),
    links: !mounted,
  };
}
