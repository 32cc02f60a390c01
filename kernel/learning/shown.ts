/**
 * What of the host a run that is learned from may read beside what it was given.
 *
 * @module
 */
import { lstatSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { isWithin } from "../../worlds/view.ts";

/**
 * Never shown: what is not files (`/proc`), what is the agent's own (`/work`), where sockets of services are (`/run`),
 * what every sandbox shows already (`/usr`), and homes, where the keys are.
 */
const HIDDEN: ReadonlySet<string> = new Set([
  ...["proc", "sys", "dev", "run", "tmp", "work", "boot", "lost+found", "home", "root", "etc"],
  ...["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu"],
]);
const OTHERS_READ_AND_ENTER = 0o005;
/** Each takes a few steps of the launch. */
const MOST = 12;

/**
 * The directories directly below `/` that any user of the machine may read, such as `/srv` and `/var`.
 *
 * @param protect Paths that must not be in any of them, when the agent runs as the kernel's own user.
 */
export function shownDirectories(protect: readonly string[]): readonly string[] {
  const keep = Deno.uid() === 0 ? [] : [...protect, homedir()];
  return readdirSync("/").filter((name) => !HIDDEN.has(name)).map((name) => `/${name}`).filter((path) => {
    const info = lstatSync(path, { throwIfNoEntry: false });
    return info?.isDirectory() && (info.mode & OTHERS_READ_AND_ENTER) === OTHERS_READ_AND_ENTER &&
      !keep.some((secret) => isWithin(secret, path));
  }).slice(0, MOST);
}
