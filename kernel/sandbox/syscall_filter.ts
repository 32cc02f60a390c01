/**
 * What seccomp refuses every agent, and why. A call that is not named here is allowed: the other walls decide.
 *
 * @module
 */
import type { Arch } from "../../ffi/arch.ts";
import { compileFilter, type Condition, type Refusal } from "../../ffi/seccomp.ts";
import type { SyscallName } from "../../ffi/syscall_numbers.ts";

const ENOSYS = 38;

/** Refused whatever the arguments, by the reason. */
const ALWAYS: Readonly<Record<string, readonly SyscallName[]>> = {
  "changing what is mounted where": [
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "open_tree_attr",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
  ],
  "entering or making namespaces": ["unshare", "setns"],
  "looking into other processes": [
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
  ],
  "large, often exploited parts of the kernel": [
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
  ],
  "keyrings, which are not namespaced": ["keyctl", "add_key", "request_key"],
  "administering the machine": [
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "vhangup",
    "sethostname",
    "setdomainname",
  ],
  "setting the clock": ["settimeofday", "clock_settime", "adjtimex", "clock_adjtime"],
  "opening files by handle, around every path": ["open_by_handle_at", "name_to_handle_at"],
  "ports and segments of the processor": ["iopl", "ioperm", "modify_ldt"],
  "placing memory on other nodes": [
    "mbind",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "migrate_pages",
    "move_pages",
  ],
  "obsolete calls nobody tests any more": [
    "nfsservctl",
    "lookup_dcookie",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
  ],
};

const NEW_NAMESPACES = 0x7e020000; // CLONE_NEWNS to CLONE_NEWNET
const PERSONALITY_QUERY = 0xffffffff;
const TIOCSTI = 0x5412; // types into the terminal
const TIOCLINUX = 0x541c; // pastes into the console
const TIOCSETD = 0x5423; // loads line disciplines
const SET_ID_BITS = 0o6000;
const CREATING = 0o100 | 0o20000000; // O_CREAT, __O_TMPFILE

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_TYPE = 0xf;
const SOCK_RAW = 3;
const SOCK_PACKET = 10;
const NETLINK_ROUTE = 0;

const argument = (position: number, test: Omit<Condition, "argument">): Condition => ({
  argument: position,
  ...test,
});

/** A set-user-id file that an agent leaves in a directory of the operator's would outlive every wall. */
const setIdRefusals: readonly Refusal[] = [
  { call: "chmod", when: [argument(1, { hasAny: SET_ID_BITS })] },
  { call: "fchmod", when: [argument(1, { hasAny: SET_ID_BITS })] },
  { call: "fchmodat", when: [argument(2, { hasAny: SET_ID_BITS })] },
  { call: "fchmodat2", when: [argument(2, { hasAny: SET_ID_BITS })] },
  { call: "creat", when: [argument(1, { hasAny: SET_ID_BITS })] },
  { call: "mknod", when: [argument(1, { hasAny: SET_ID_BITS })] },
  { call: "mknodat", when: [argument(2, { hasAny: SET_ID_BITS })] },
  { call: "open", when: [argument(1, { hasAny: CREATING }), argument(2, { hasAny: SET_ID_BITS })] },
  { call: "openat", when: [argument(2, { hasAny: CREATING }), argument(3, { hasAny: SET_ID_BITS })] },
  // Its mode lies behind a pointer. Programs fall back to openat.
  { call: "openat2", errno: ENOSYS },
];

/** Conditions on calls that are needed otherwise. */
const CONDITIONAL: readonly Refusal[] = [
  // clone3's flags lie behind a pointer, clone's do not: libraries fall back to it.
  { call: "clone3", errno: ENOSYS },
  { call: "clone", when: [argument(0, { hasAny: NEW_NAMESPACES })] },
  { call: "ioctl", when: [argument(1, { is: TIOCSTI })] },
  { call: "ioctl", when: [argument(1, { is: TIOCLINUX })] },
  { call: "ioctl", when: [argument(1, { is: TIOCSETD })] },
  { call: "personality", when: [argument(0, { isNot: PERSONALITY_QUERY })] },
  {
    call: "socket",
    when: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].map((family) => argument(0, { isNot: family })),
  },
  { call: "socket", when: [argument(0, { is: AF_NETLINK }), argument(2, { isNot: NETLINK_ROUTE })] },
  {
    call: "socket",
    when: [argument(0, { isNot: AF_NETLINK }), argument(1, { mask: SOCK_TYPE, is: SOCK_RAW })],
  },
  { call: "socket", when: [argument(1, { mask: SOCK_TYPE, is: SOCK_PACKET })] },
  ...setIdRefusals,
];

/** Everything the filter refuses. */
export const REFUSALS: readonly Refusal[] = [
  ...CONDITIONAL,
  ...Object.values(ALWAYS).flat().map((call): Refusal => ({ call })),
];

/** Calls that name a file or start a program: what a run that is learned from is watched for. */
export const WATCHED: readonly SyscallName[] = [
  "open",
  "openat",
  "creat",
  "execve",
  "execveat",
  "stat",
  "lstat",
  "newfstatat",
  "statx",
  "access",
  "faccessat",
  "faccessat2",
  "readlink",
  "readlinkat",
  "truncate",
  "mkdir",
  "mkdirat",
  "mknod",
  "mknodat",
  "rmdir",
  "unlink",
  "unlinkat",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "symlink",
  "symlinkat",
  "chmod",
  "fchmodat",
  "fchmodat2",
  "chown",
  "lchown",
  "fchownat",
  "utimensat",
];

const compiled = new Map<Arch, Uint8Array<ArrayBuffer>>();

/** The compiled filter; it is the same for every agent, and compiled once. */
export function agentFilter(arch: Arch): Uint8Array<ArrayBuffer> {
  let filter = compiled.get(arch);
  if (!filter) compiled.set(arch, filter = compileFilter(REFUSALS, arch));
  return filter;
}
