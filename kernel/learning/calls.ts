/**
 * What the arguments of a system call say about files. Pure.
 *
 * @module
 */
import type { NotifiedCall } from "../../ffi/notify.ts";

/**
 * What a call would do with the path it names. `see`: its names and attributes. `change`: what is in its directory.
 * `set`: its own attributes. `run`: execute it.
 */
export type Act = "see" | "read" | "write" | "read-write" | "change" | "set" | "run";

/** One path of a call. */
export interface NamedPath {
  readonly act: Act;
  /** Descriptor of the directory a relative path begins at; null is the working directory. */
  readonly at: number | null;
  /** Where the path lies in the caller's memory. */
  readonly address: bigint;
  /** Whether a link in the last place is followed. */
  readonly follow: boolean;
  /** Whether what is not there is made. */
  readonly makes: boolean;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100n;
const AT_SYMLINK_FOLLOW = 0x400n;

const ACCESS_MODE = 3n;
const READ_WRITE = 2n;
const O_CREAT = 0o100n;
const O_EXCL = 0o200n;
const O_TRUNC = 0o1000n;
const O_NOFOLLOW_X64 = 0o400000n;
const O_NOFOLLOW_ARM = 0o100000n;
const O_PATH = 0o10000000n;
const TMPFILE = 0o20000000n; // __O_TMPFILE

/** The paths that a call names, and what it would do with each; none for a call that is about no file. */
export function namedPaths({ call, args }: NotifiedCall, arm = false): readonly NamedPath[] {
  const [a, b, c, d, e] = args as readonly [bigint, bigint, bigint, bigint, bigint];
  const path = (act: Act, address: bigint, more: Partial<NamedPath> = {}): NamedPath => {
    return { act, at: null, address, follow: true, makes: false, ...more };
  };
  const noFollow = arm ? O_NOFOLLOW_ARM : O_NOFOLLOW_X64;
  switch (call) {
    case "open":
      return [opened(null, a, b, noFollow)];
    case "openat":
      return [opened(directory(a), b, c, noFollow)];
    case "creat":
      return [opened(null, a, 1n | O_CREAT | O_TRUNC, noFollow)];
    case "execve":
      return [path("run", a)];
    case "execveat":
      return [path("run", b, { at: directory(a) })];
    case "stat":
    case "access":
      return [path("see", a)];
    case "lstat":
    case "readlink":
      return [path("see", a, { follow: false })];
    case "newfstatat":
      return [path("see", b, { at: directory(a), follow: (d & AT_SYMLINK_NOFOLLOW) === 0n })];
    case "statx":
      return [path("see", b, { at: directory(a), follow: (c & AT_SYMLINK_NOFOLLOW) === 0n })];
    case "faccessat":
    case "faccessat2":
      return [path("see", b, { at: directory(a) })];
    case "readlinkat":
      return [path("see", b, { at: directory(a), follow: false })];
    case "truncate":
      return [path("write", a)];
    case "mkdir":
    case "mknod":
      return [path("change", a, { follow: false, makes: true })];
    case "mkdirat":
    case "mknodat":
      return [path("change", b, { at: directory(a), follow: false, makes: true })];
    case "rmdir":
    case "unlink":
      return [path("change", a, { follow: false })];
    case "unlinkat":
      return [path("change", b, { at: directory(a), follow: false })];
    case "rename":
      return [path("change", a, { follow: false }), path("change", b, { follow: false, makes: true })];
    case "renameat":
    case "renameat2":
      return [
        path("change", b, { at: directory(a), follow: false }),
        path("change", d, { at: directory(c), follow: false, makes: true }),
      ];
    case "link":
      return [path("see", a, { follow: false }), path("change", b, { follow: false, makes: true })];
    case "linkat":
      return [
        path("see", b, { at: directory(a), follow: (e & AT_SYMLINK_FOLLOW) !== 0n }),
        path("change", d, { at: directory(c), follow: false, makes: true }),
      ];
    case "symlink":
      return [path("change", b, { follow: false, makes: true })];
    case "symlinkat":
      return [path("change", c, { at: directory(b), follow: false, makes: true })];
    case "chmod":
    case "chown":
      return [path("set", a)];
    case "lchown":
      return [path("set", a, { follow: false })];
    case "fchmodat":
      return [path("set", b, { at: directory(a) })];
    case "fchmodat2":
    case "utimensat":
      return [path("set", b, { at: directory(a), follow: (d & AT_SYMLINK_NOFOLLOW) === 0n })];
    case "fchownat":
      return [path("set", b, { at: directory(a), follow: (e & AT_SYMLINK_NOFOLLOW) === 0n })];
    default:
      return [];
  }
}

function opened(at: number | null, address: bigint, flags: bigint, noFollow: bigint): NamedPath {
  const mode = flags & ACCESS_MODE;
  const follow = (flags & noFollow) === 0n && (flags & (O_CREAT | O_EXCL)) !== (O_CREAT | O_EXCL);
  const act: Act = (flags & O_PATH) !== 0n
    ? "see"
    : (flags & TMPFILE) !== 0n
    ? "read-write"
    : mode === 0n
    ? (flags & O_TRUNC) !== 0n ? "read-write" : "read"
    : mode === READ_WRITE
    ? "read-write"
    : "write";
  return { act, at, address, follow, makes: (flags & O_CREAT) !== 0n };
}

/** Registers are 64 bits wide, descriptors an int. */
function directory(word: bigint): number | null {
  const fd = Number(BigInt.asIntN(32, word));
  return fd === AT_FDCWD ? null : fd;
}
