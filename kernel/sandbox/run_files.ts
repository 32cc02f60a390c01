/**
 * The launcher's own place on disk: a directory to build roots over, and the small files that say who is who inside.
 *
 * @module
 */
import { NOBODY } from "./plan.ts";

/** What {@link prepareRunDir} made. */
export interface RunFiles {
  /** Where everything is. */
  readonly directory: string;
  /** An empty directory; every sandbox mounts its root over it, in its own mount namespace. */
  readonly root: string;
  /** Files that every sandbox shows. */
  readonly files: readonly { readonly source: string; readonly target: string }[];
  /** Removes all of it. */
  remove(): void;
}

/**
 * Makes `runDir/sandbox`.
 *
 * @param uid The kernel's user; an agent of an ordinary user's kernel keeps that number.
 */
export function prepareRunDir(runDir: string, uid: number, gid: number): RunFiles {
  // Mounts refuse symlinks on the way, so the way has to be the real one.
  const directory = `${Deno.realPathSync(runDir)}/sandbox`;
  Deno.mkdirSync(`${directory}/root`, { recursive: true, mode: 0o755 });
  const [user, group] = uid === 0 ? [NOBODY, NOBODY] : [uid, gid];
  const name = uid === 0 ? "nobody" : "agent";
  const groupName = uid === 0 ? "nogroup" : "agent";
  const contents: Readonly<Record<string, string>> = {
    passwd: `root:x:0:0:root:/:/usr/sbin/nologin\n${name}:x:${user}:${group}:agent:/tmp:/bin/sh\n`,
    group: `root:x:0:\n${groupName}:x:${group}:\n`,
    hosts: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
  };
  const files = Object.entries(contents).map(([file, text]) => {
    const source = `${directory}/${file}`;
    Deno.writeTextFileSync(source, text, { mode: 0o644 });
    return { source, target: `/etc/${file}` };
  });
  return {
    directory,
    root: `${directory}/root`,
    files,
    remove: () => Deno.removeSync(directory, { recursive: true }),
  };
}
