/**
 * Children and other processes: waiting without blocking, signals without hitting a stranger.
 *
 * @module
 */
import { ARCH } from "./arch.ts";
import { errnoName, LibcError } from "./errno.ts";
import { errno, libc, rawSyscall } from "./libc.ts";
import { SYSCALLS } from "./syscall_numbers.ts";
import { closeDescriptor } from "./descriptors.ts";

const P_PID = 1;
const P_PIDFD = 3;
const WNOHANG = 1;
const WEXITED = 4;
const WALL = 0x40000000; // also children whose end sends no SIGCHLD
const CLD_EXITED = 1;
const ESRCH = 3;

/** Signal numbers that x86-64 and aarch64 share. See signal(7). */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** Such as `SIGTERM`. */
export type SignalName = keyof typeof SIGNALS;

/** The name of a signal number: `SIGKILL` for 9, `SIGRT34` for 34. */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(SIGNALS)) {
    if (value === number) return name;
  }
  return `SIGRT${number}`;
}

/** How a child ended: its status, or the number of the signal that ended it. */
export interface WaitResult {
  readonly status: number | null;
  readonly signal: number | null;
}

const siginfo = new Uint8Array(128);
const siginfoView = new DataView(siginfo.buffer);

/**
 * Looks whether a child has ended, and reaps it.
 *
 * @param child Its process id, or a descriptor of it (`pidfd`).
 * @returns How it ended, or null while it runs.
 * @throws {LibcError} `ECHILD` when it is no child of ours or was reaped before.
 */
export function reap(child: { readonly pid: number } | { readonly pidfd: number }): WaitResult | null {
  siginfo.fill(0);
  const [type, id] = "pid" in child ? [P_PID, child.pid] : [P_PIDFD, child.pidfd];
  if (libc().waitid(type, id, siginfo, WNOHANG | WEXITED | WALL) < 0) {
    throw new LibcError(`waitid ${id}`, errno());
  }
  if (siginfoView.getInt32(16, true) === 0) return null; // si_pid: nobody has ended
  const status = siginfoView.getInt32(24, true);
  return siginfoView.getInt32(8, true) === CLD_EXITED
    ? { status, signal: null }
    : { status: null, signal: status };
}

/**
 * Opens a descriptor of a process. See pidfd_open(2).
 *
 * @throws {LibcError} `ESRCH` when there is no such process.
 */
export function openPidfd(pid: number): number {
  const fd = rawSyscall(SYSCALLS.pidfd_open[ARCH === "x86_64" ? 0 : 1], pid, 0);
  if (fd < 0) throw new LibcError(`open a pidfd of ${pid}`, -fd);
  return fd;
}

/**
 * Sends a signal to the process behind a descriptor.
 *
 * @returns False when it has ended.
 * @throws {LibcError} `EPERM` when it is not ours to signal.
 */
export function signalPidfd(pidfd: number, signal: SignalName): boolean {
  const number = SYSCALLS.pidfd_send_signal[ARCH === "x86_64" ? 0 : 1];
  const result = rawSyscall(number, pidfd, SIGNALS[signal], 0, 0);
  if (result === 0) return true;
  if (-result === ESRCH) return false;
  throw new LibcError(`send ${signal}`, -result);
}

/**
 * Sends a signal to a child of ours that has not been reaped, so that its number cannot be somebody else's.
 *
 * @returns False when it has ended.
 * @throws {LibcError} `EPERM` when it is not ours to signal.
 */
export function signalChild(pid: number, signal: SignalName): boolean {
  if (libc().kill(pid, SIGNALS[signal]) === 0) return true;
  const number = errno();
  if (number === ESRCH) return false;
  throw new LibcError(`send ${signal} to ${pid}`, number);
}

/**
 * Sends a signal to any process if, seen through a descriptor, it still answers to `isIt`. The descriptor is taken
 * before the question is asked, so a number that was given to somebody else in between is never hit.
 *
 * @returns False when it has ended or is somebody else.
 */
export function signalIf(pid: number, signal: SignalName, isIt: (pid: number) => boolean): boolean {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch (error) {
    if (error instanceof LibcError && error.code === errnoName(ESRCH)) return false;
    throw error;
  }
  try {
    return isIt(pid) && signalPidfd(pidfd, signal);
  } finally {
    closeDescriptor(pidfd);
  }
}
