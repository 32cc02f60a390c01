/**
 * Which disks a place is on, in the words of cgroup v2's `io.max`.
 *
 * @module
 */
import { statSync } from "node:fs";

/**
 * The whole disk that a path's file system is on.
 *
 * @returns `MAJOR:MINOR`; null where there is none that could be limited, as for tmpfs, overlays and network file
 *   systems, or where this machine does not tell.
 */
export function deviceOf(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (!found) return null;
  const { major, minor } = deviceNumbers(found.dev);
  if (major === 0) return null; // an anonymous file system
  try {
    const directory = Deno.realPathSync(`/sys/dev/block/${major}:${minor}`);
    // A partition's limits are those of its disk, which is the directory above.
    const disk = exists(`${directory}/partition`)
      ? directory.slice(0, directory.lastIndexOf("/"))
      : directory;
    return Deno.readTextFileSync(`${disk}/dev`).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

/** Takes a `dev_t` apart, as glibc's gnu_dev_major and gnu_dev_minor do. */
export function deviceNumbers(dev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  };
}

/** Whether this machine swaps at all; see proc(5), `/proc/swaps`. */
export function hasSwap(): boolean {
  try {
    return Deno.readTextFileSync("/proc/swaps").trim().split("\n").length > 1;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
