/**
 * Entering a cgroup from a syscall program. See cgroups(7).
 *
 * @module
 */
import type { Chain } from "./program.ts";

const AT_FDCWD = -100;
const O_PATH_DIRECTORY_CLOEXEC = 0o10000000 | 0o200000 | 0o2000000;
const CLONE_NEWCGROUP = 0x02000000;

/** Opens a cgroup's directory, for a clone that is to be born in it; its descriptor is the lowest free one. */
export function openCgroup(chain: Chain, directory: string): void {
  chain.add(`open cgroup ${directory}`, "openat", [AT_FDCWD, directory, O_PATH_DIRECTORY_CLOEXEC]);
}

/** Makes the caller's own cgroup the root of what it can see of the hierarchy. */
export function hideHierarchy(chain: Chain): void {
  chain.add("hide the cgroup hierarchy", "unshare", [CLONE_NEWCGROUP]);
}
