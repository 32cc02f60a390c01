/**
 * System calls that are told of before they happen: a seccomp filter stops each, a listener outside looks at it and
 * lets it go on. See seccomp_unotify(2).
 *
 * Nothing is decided this way, since the caller's memory may change between the look and the call: it is for watching.
 *
 * @module
 */
import type { Arch } from "./arch.ts";
import { LibcError } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import type { Chain } from "./program.ts";
import { compileNotifier } from "./seccomp.ts";
import { type SyscallName, SYSCALLS } from "./syscall_numbers.ts";

const SET_MODE_FILTER = 1;
const NEW_LISTENER = 8; // SECCOMP_FILTER_FLAG_NEW_LISTENER
const RECEIVE = 0xc0502100n; // SECCOMP_IOCTL_NOTIF_RECV
const SEND = 0xc0182101n; // SECCOMP_IOCTL_NOTIF_SEND
const GO_ON = 1; // SECCOMP_USER_NOTIF_FLAG_CONTINUE
const POLLIN = 1;
const ENOENT = 2;
const EINTR = 4;

/**
 * Puts the calling process under a filter that tells of `calls` to a listener.
 * The listener's descriptor gets the lowest number that is free.
 */
export function installNotifier(chain: Chain, calls: readonly SyscallName[], arch: Arch): void {
  const { arena } = chain.program;
  const filter = compileNotifier(calls, arch);
  const header = arena.allocate(16); // struct sock_fprog: length, pointer
  arena.setShort(header, filter.length / 8);
  arena.setWord(header + 8, arena.bytes(filter));
  chain.add("install the watching filter", "seccomp", [SET_MODE_FILTER, NEW_LISTENER, header]);
}

/** A call that waits to go on. */
export interface NotifiedCall {
  /** The thread, as this process numbers it. */
  readonly tid: number;
  readonly call: SyscallName;
  /** Its six arguments, as unsigned words. */
  readonly args: readonly bigint[];
}

/** What became of a wait. */
export type Readiness = "ready" | "idle" | "over";

const names: Partial<Record<Arch, ReadonlyMap<number, SyscallName>>> = {};

/** Names by number. */
function namesOf(arch: Arch): ReadonlyMap<number, SyscallName> {
  const column = arch === "x86_64" ? 0 : 1;
  return names[arch] ??= new Map(
    Object.entries(SYSCALLS).map(([name, numbers]) => [numbers[column], name as SyscallName]),
  );
}

/** Waits on another thread until a descriptor can be read, at most `ms` milliseconds. */
export async function waitReadable(fd: number, ms: number): Promise<Readiness> {
  const polled = new Int32Array([fd, POLLIN]); // struct pollfd: int fd, short events, short revents
  const result = await libc().poll_elsewhere(new Uint8Array(polled.buffer), 1n, ms);
  return readiness(result, polled);
}

/** Whether a descriptor can be read at this moment. */
export function isReadable(fd: number): Readiness {
  const polled = new Int32Array([fd, POLLIN]);
  return readiness(libc().poll(new Uint8Array(polled.buffer), 1n, 0), polled);
}

function readiness(result: number, polled: Int32Array): Readiness {
  if (result <= 0) return "idle"; // interrupted, or nothing yet: the caller comes again
  return ((polled[1]! >>> 16) & POLLIN) !== 0 ? "ready" : "over";
}

const call = new Uint8Array(80); // struct seccomp_notif
const callView = new DataView(call.buffer);
const answer = new Uint8Array(24); // struct seccomp_notif_resp
const answerView = new DataView(answer.buffer);

/**
 * Takes one call off a listener that is ready, shows it, and lets it go on, whatever `look` does.
 *
 * @returns False when the caller was gone before it could be looked at.
 */
export function passCall(listener: number, arch: Arch, look: (call: NotifiedCall) => void): boolean {
  call.fill(0);
  if (libc().ioctl(listener, RECEIVE, call) < 0) {
    const number = errno();
    if (number === ENOENT || number === EINTR) return false;
    throw new LibcError("receive a watched call", number);
  }
  const id = callView.getBigUint64(0, true);
  const name = namesOf(arch).get(callView.getInt32(16, true));
  try {
    if (name !== undefined) {
      const args = Array.from({ length: 6 }, (_, i) => callView.getBigUint64(32 + 8 * i, true));
      look({ tid: callView.getUint32(8, true), call: name, args });
    }
  } finally {
    answer.fill(0);
    answerView.setBigUint64(0, id, true);
    answerView.setUint32(20, GO_ON, true);
    // The only error is that the caller is gone; then there is nobody to let go on.
    libc().ioctl(listener, SEND, answer);
  }
  return true;
}
