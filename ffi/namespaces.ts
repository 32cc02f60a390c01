/**
 * Namespaces: the flags that make them, the user namespace's maps, and visits to somebody else's network.
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import type { Chain, Entry, Program } from "./program.ts";
import { closeDescriptor, openDescriptor } from "./descriptors.ts";

/** Flags of clone3(2). */
export const CLONE = {
  VM: 0x100,
  VFORK: 0x4000,
  PARENT: 0x8000,
  PARENT_SETTID: 0x100000,
  NEWNS: 0x20000,
  NEWCGROUP: 0x02000000,
  NEWUTS: 0x04000000,
  NEWIPC: 0x08000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  INTO_CGROUP: 0x2_0000_0000,
} as const;

const CLONE_ARGS_WORDS = 11;
const SIGCHLD = 17;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const AT_FDCWD = -100;
const O_WRONLY = 1;
const O_CLOEXEC = 0o2000000;

/** What {@link cloneArgs} lays out. */
export interface CloneOptions {
  /** {@link CLONE} flags, added up. */
  readonly flags: number;
  /** Whether the end of the child sends SIGCHLD. It must not with `CLONE.PARENT`, which takes the caller's. */
  readonly notify: boolean;
  /** Where the kernel writes the child's id, 4 bytes. */
  readonly parentTid?: number;
  /** Descriptor of a cgroup directory, with `CLONE.INTO_CGROUP`. */
  readonly cgroup?: number;
}

/** Lays out `struct clone_args` and returns the arguments of clone3(2). */
export function cloneArgs(program: Program, options: CloneOptions): readonly [number, number] {
  const words = new Array<number>(CLONE_ARGS_WORDS).fill(0);
  words[0] = options.flags;
  words[3] = options.parentTid ?? 0;
  words[4] = options.notify ? SIGCHLD : 0;
  words[10] = options.cgroup ?? 0;
  return [program.arena.words(words), 8 * CLONE_ARGS_WORDS];
}

/**
 * Maps one user and one group into the user namespace that the caller has just been born into.
 *
 * @param fd The number that open(2) is going to answer.
 */
export function mapIds(
  chain: Chain,
  fd: number,
  { uid, gid, insideUid, insideGid }: {
    readonly uid: number;
    readonly gid: number;
    readonly insideUid: number;
    readonly insideGid: number;
  },
): void {
  // A group map may be written without privilege only after setgroups was given up. See user_namespaces(7).
  writeFile(chain, fd, "/proc/self/setgroups", "deny");
  writeFile(chain, fd, "/proc/self/uid_map", `${insideUid} ${uid} 1`);
  writeFile(chain, fd, "/proc/self/gid_map", `${insideGid} ${gid} 1`);
}

/** Writes a short text to an existing file, whose descriptor is going to be `fd`. */
export function writeFile(chain: Chain, fd: number, path: string, text: string): void {
  chain.add(`open ${path}`, "openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
  chain.add(`write "${text}" to ${path}`, "write", [fd, text, new TextEncoder().encode(text).length]);
  chain.add(`close ${path}`, "close", [fd]);
}

/** Names the machine, inside a UTS namespace. */
export function setHostname(chain: Chain, name: string): Entry {
  return chain.add(`set the hostname ${name}`, "sethostname", [name, new TextEncoder().encode(name).length]);
}

/** Brings the loopback interface of a new network namespace up; the socket for it is going to be `fd`. */
export function loopbackUp(chain: Chain, fd: number): void {
  const { arena } = chain.program;
  const request = arena.allocate(40); // struct ifreq: name, then flags
  arena.setShort(request, 0x6f6c); // "lo"
  arena.setShort(request + 16, IFF_UP);
  chain.add("open a socket for loopback", "socket", [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0]);
  chain.add("bring loopback up", "ioctl", [fd, SIOCSIFFLAGS, request]);
  chain.add("close the socket for loopback", "close", [fd]);
}

/**
 * Runs `visit` on this thread inside another network namespace and comes back. `visit` must be synchronous: sockets
 * made in it stay there for good.
 *
 * @param netns Descriptor of the namespace.
 * @throws {LibcError} `EPERM` without CAP_SYS_ADMIN.
 */
export function inNetworkNamespace<T>(netns: number, visit: () => T): T {
  const home = openDescriptor("/proc/thread-self/ns/net", "read");
  try {
    check("setns into the sandbox's network", libc().setns(netns, CLONE.NEWNET));
    try {
      return visit();
    } finally {
      // A kernel that stays in an agent's network is useless; there is nothing sensible to go on with.
      check("setns back into the kernel's network", libc().setns(home, CLONE.NEWNET));
    }
  } finally {
    closeDescriptor(home);
  }
}
