/**
 * Looking up paths as another process sees them: beneath its root, its links followed there. See openat2(2).
 *
 * @module
 */
import { ARCH } from "./arch.ts";
import { closeDescriptor } from "./descriptors.ts";
import { cString, rawSyscall } from "./libc.ts";
import { syscallNumber } from "./syscall_numbers.ts";

const O_PATH = 0o10000000n;
const O_CLOEXEC = 0o2000000n;
const O_NOFOLLOW = 0o400000n;
const RESOLVE_IN_ROOT = 0x10n;
const RESOLVE_NO_MAGICLINKS = 0x02n;

/** What lies at a path. */
export interface Found {
  /** Every link followed, from that root on. */
  readonly path: string;
  readonly kind: "directory" | "file" | "link" | "other";
}

const how = new BigUint64Array(3); // struct open_how: flags, mode, resolve

/**
 * Looks a path up.
 *
 * @param root Descriptor of a process's root directory.
 * @param path Absolute, as seen from there.
 * @param follow False stops at a link in the last place.
 * @returns Null when there is nothing, or nothing that can be reached.
 */
export function lookUp(root: number, path: string, follow: boolean): Found | null {
  how[0] = O_PATH | O_CLOEXEC | (follow ? 0n : O_NOFOLLOW);
  how[1] = 0n;
  how[2] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const name = cString(path);
  const fd = rawSyscall(
    syscallNumber("openat2", ARCH),
    root,
    Number(pointerTo(name)),
    Number(pointerTo(how)),
    24,
  );
  if (fd < 0) return null;
  try {
    const link = `/proc/self/fd/${fd}`;
    const info = follow ? Deno.statSync(link) : null;
    const kind = info === null
      ? kindOfLink(link)
      : info.isDirectory
      ? "directory"
      : info.isFile
      ? "file"
      : "other";
    return { path: Deno.readLinkSync(link), kind };
  } finally {
    closeDescriptor(fd);
  }
}

/** A descriptor of a link itself cannot be followed, which is what tells it from the others. */
function kindOfLink(link: string): Found["kind"] {
  try {
    const info = Deno.statSync(link);
    return info.isSymlink ? "link" : info.isDirectory ? "directory" : info.isFile ? "file" : "other";
  } catch (error) {
    if (error instanceof Deno.errors.FilesystemLoop || error instanceof Deno.errors.NotFound) return "link";
    throw error;
  }
}

function pointerTo(view: Uint8Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view));
}
