/**
 * The mount calls of a syscall program. See mount(2), mount_setattr(2), open_tree(2), move_mount(2).
 *
 * @module
 */
import type { Chain } from "./program.ts";

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_RDONLY = 1;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const MNT_DETACH = 2;

const AT_FDCWD = -100;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_NO_SYMLINKS = 4;

const ATTR_RDONLY = 1;
const ATTR_NOSUID = 2;
const ATTR_NODEV = 4;
const ATTR_NOEXEC = 8;
const ATTR_IDMAP = 0x100000;

/** What a mount may be used for. All are without setuid. */
export interface MountFlags {
  readonly readOnly?: boolean;
  readonly devices?: boolean;
  readonly executable?: boolean;
}

function mountFlags({ readOnly = false, devices = false, executable = true }: MountFlags): number {
  return MS_NOSUID | (readOnly ? MS_RDONLY : 0) | (devices ? 0 : MS_NODEV) | (executable ? 0 : MS_NOEXEC);
}

function attributes({ readOnly = false, devices = false, executable = true }: MountFlags): number {
  return ATTR_NOSUID | (readOnly ? ATTR_RDONLY : 0) | (devices ? 0 : ATTR_NODEV) |
    (executable ? 0 : ATTR_NOEXEC);
}

/** `struct mount_attr`: what to set, to clear, propagation, the user namespace of an id map. */
function mountAttr(chain: Chain, set: number, userns = 0): readonly [number, number] {
  return [chain.program.arena.words([set, 0, 0, userns]), 32];
}

/** Cuts the new namespace's mounts off from the host's, so that nothing mounted here appears there. */
export function makePrivate(chain: Chain): void {
  chain.add("make all mounts private", "mount", [0, "/", 0, MS_REC | MS_PRIVATE, 0]);
}

/** Mounts a fresh file system of a type such as `tmpfs`. */
export function mountNew(
  chain: Chain,
  type: string,
  target: string,
  options: string,
  flags: MountFlags,
): void {
  chain.add(`mount ${type} on ${target}`, "mount", [type, target, type, mountFlags(flags), options]);
}

/** Shows a file or tree of the host at another place, as it is. */
export function bind(chain: Chain, source: string, target: string): void {
  chain.add(`bind ${source}`, "mount", [source, target, 0, MS_BIND | MS_REC, 0]);
}

/** Restricts a mount and all below it. */
export function restrict(chain: Chain, name: string, target: string, flags: MountFlags): void {
  chain.add(name, "mount_setattr", [AT_FDCWD, target, AT_RECURSIVE, ...mountAttr(chain, attributes(flags))]);
}

/** A mount of {@link bindExactly}. */
export interface ExactBind {
  /** Absolute, resolved path on the host; a symlink anywhere in it is refused. */
  readonly source: string;
  /** Absolute path of an existing file or directory below the new root; likewise. */
  readonly target: string;
  readonly flags: MountFlags;
  /** Descriptor of a user namespace whose map translates owners. */
  readonly idmap?: number;
}

/**
 * Shows a tree of the host, refusing every symlink on the way: whoever can write to a directory above `source` or
 * `target` cannot make the mount another one than was checked.
 *
 * @param fd The number that open(2) is going to answer; the two after it are used too.
 */
export function bindExactly(chain: Chain, fd: number, { source, target, flags, idmap }: ExactBind): void {
  const { arena } = chain.program;
  const how = arena.words([O_PATH_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS]);
  const tree = fd + 1;
  const place = fd + 2;
  const empty = arena.string("");
  const cloning = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
  chain.add(`open ${source}`, "openat2", [AT_FDCWD, source, how, 24]);
  chain.add(`copy the mounts of ${source}`, "open_tree", [fd, empty, cloning]);
  const set = mountAttr(chain, attributes(flags) | (idmap === undefined ? 0 : ATTR_IDMAP), idmap);
  chain.add(`restrict ${source}`, "mount_setattr", [tree, empty, AT_EMPTY_PATH | AT_RECURSIVE, ...set]);
  chain.add(`open the mount point ${target}`, "openat2", [AT_FDCWD, target, how, 24]);
  const joining = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  chain.add(`mount ${source}`, "move_mount", [tree, empty, place, empty, joining]);
  chain.add(`close ${source}`, "close_range", [fd, place, 0]);
}

/** Makes a directory. */
export function makeDirectory(chain: Chain, path: string, mode = 0o755): void {
  chain.add(`make ${path}`, "mkdirat", [AT_FDCWD, path, mode]);
}

/** Makes an empty file to mount another over. */
export function makeFile(chain: Chain, path: string): void {
  chain.add(`make ${path}`, "mknodat", [AT_FDCWD, path, 0o100444, 0]);
}

/** Makes a symlink. */
export function makeLink(chain: Chain, text: string, path: string): void {
  chain.add(`link ${path} to ${text}`, "symlinkat", [text, AT_FDCWD, path]);
}

/** Makes a directory the root and drops the old one with everything below it. See pivot_root(2), "." twice. */
export function pivot(chain: Chain, root: string): void {
  chain.add(`enter ${root}`, "chdir", [root]);
  chain.add("pivot the root", "pivot_root", [".", "."]);
  chain.add("detach the old root", "umount2", [".", MNT_DETACH]);
}
