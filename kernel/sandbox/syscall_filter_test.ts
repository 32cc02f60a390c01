/** The filter of agents, interpreted for every call that the contract names, on both machines. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { interpret, type Verdict } from "../../tests/bpf_interpreter.ts";
import { type SyscallName, SYSCALLS } from "../../ffi/syscall_numbers.ts";
import { agentFilter } from "./syscall_filter.ts";

/** What is promised to be refused, written down a second time on purpose. */
const PROMISED: readonly SyscallName[] = (
  "mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr " +
  "unshare setns clone3 ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd bpf perf_event_open userfaultfd " +
  "io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key " +
  "kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct " +
  "settimeofday clock_settime adjtimex clock_adjtime open_by_handle_at name_to_handle_at " +
  "quotactl syslog vhangup iopl ioperm modify_ldt mbind set_mempolicy migrate_pages move_pages"
).split(" ") as SyscallName[];

const MACHINES = [["x86_64", 0xc000003e, 0], ["aarch64", 0xc00000b7, 1]] as const;

for (const [arch, audit, column] of MACHINES) {
  const ask = (call: SyscallName, ...args: number[]): Verdict =>
    interpret(agentFilter(arch), { arch: audit, number: SYSCALLS[call][column], args });
  const refused = (call: SyscallName, ...args: number[]): void =>
    ok(typeof ask(call, ...args) === "object", `${call}(${args}) is allowed`);
  const allowed = (call: SyscallName, ...args: number[]): void =>
    strictEqual(ask(call, ...args), "allow", `${call}(${args}) is refused`);
  const has = (call: SyscallName): boolean => SYSCALLS[call][column] >= 0;

  for (const call of PROMISED.filter(has)) {
    Deno.test(`on ${arch} the filter refuses ${call}`, () => refused(call));
  }

  Deno.test(`on ${arch} clone makes threads and processes, but no namespaces`, () => {
    for (const flag of [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]) {
      refused("clone", flag | 17);
    }
    allowed("clone", 0x003d0f00); // what a C library passes for a thread
    allowed("clone", 17);
    deepStrictEqual(ask("clone3"), { errno: 38 }); // so that libraries fall back to clone
  });

  Deno.test(`on ${arch} nobody types into a terminal or pastes into a console`, () => {
    for (const request of [0x5412, 0x541c, 0x5423]) refused("ioctl", 0, request);
    allowed("ioctl", 0, 0x5401); // TCGETS
  });

  Deno.test(`on ${arch} sockets are of four families, never raw`, () => {
    const [unix, inet, inet6, netlink, packet, alg, vsock] = [1, 2, 10, 16, 17, 38, 40];
    const [stream, dgram, raw, obsoletePacket, cloexec] = [1, 2, 3, 10, 0x80000];
    for (const family of [unix, inet, inet6]) allowed("socket", family, stream | cloexec, 0);
    for (const family of [packet, alg, vsock, 0, 31]) refused("socket", family, dgram, 0);
    for (const family of [inet, inet6]) refused("socket", family, raw | cloexec, 1);
    refused("socket", inet, obsoletePacket, 0);
    allowed("socket", netlink, raw, 0); // routes, read by getifaddrs
    for (const protocol of [9, 12, 15]) refused("socket", netlink, raw, protocol); // audit, netfilter, uevents
  });

  Deno.test(`on ${arch} a personality can be asked for, not changed`, () => {
    allowed("personality", 0xffffffff);
    for (const persona of [0, 0x0040000, 0x0400000]) refused("personality", persona);
  });

  Deno.test(`on ${arch} no file becomes set-user-id, by any call`, () => {
    refused("fchmod", 3, 0o4755);
    refused("fchmodat", -100, 0, 0o2755);
    refused("fchmodat2", -100, 0, 0o4755, 0);
    refused("mknodat", -100, 0, 0o104755, 0);
    refused("openat", -100, 0, 0o101, 0o4755);
    refused("openat", -100, 0, 0o20200002, 0o4700); // O_TMPFILE
    deepStrictEqual(ask("openat2"), { errno: 38 });
    if (has("chmod")) refused("chmod", 0, 0o6755);
    if (has("open")) refused("open", 0, 0o101, 0o4755);
    if (has("creat")) refused("creat", 0, 0o4755);
    allowed("fchmodat", -100, 0, 0o1777);
    allowed("openat", -100, 0, 0, 0o4755); // nothing is created: the mode is whatever was in the register
    allowed("openat", -100, 0, 0o101, 0o644);
  });

  Deno.test(`on ${arch} what every program does is allowed`, () => {
    for (
      const call of [
        "read",
        "write",
        "execve",
        "wait4",
        "uname",
        "prctl",
        "kill",
        "fcntl",
        "memfd_create",
      ] as const
    ) {
      allowed(call);
    }
  });
}
