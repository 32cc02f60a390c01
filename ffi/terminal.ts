/**
 * Pseudo-terminals. See pty(7), ioctl_tty(2).
 *
 * @module
 */
import { ARCH } from "./arch.ts";
import { closeDescriptor } from "./descriptors.ts";
import { LibcError } from "./errno.ts";
import { check, cString, libc, rawSyscall } from "./libc.ts";
import { syscallNumber } from "./syscall_numbers.ts";

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;
const TIOCSPTLCK = 0x40045431n;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414n;

/** The two sides of a pseudo-terminal; both are the caller's to close. */
export interface PseudoTerminal {
  /** What a person types and sees. */
  readonly master: number;
  /** What a program reads and writes. */
  readonly terminal: number;
}

/**
 * Makes a pseudo-terminal of a size in characters.
 *
 * @throws {LibcError} Where there is no /dev/ptmx, or no pseudo-terminal is left.
 */
export function openTerminal(rows: number, columns: number): PseudoTerminal {
  const flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  const master = check("open /dev/ptmx", libc().open(cString("/dev/ptmx"), flags, 0));
  try {
    check("unlock the pty", libc().ioctl(master, TIOCSPTLCK, new Uint8Array(4)));
    setTerminalSize(master, rows, columns);
    // The peer is opened through the master: its name may not be visible here.
    const terminal = rawSyscall(syscallNumber("ioctl", ARCH), master, TIOCGPTPEER, flags);
    if (terminal < 0) throw new LibcError("open the pty's peer", -terminal);
    return { master, terminal };
  } catch (error) {
    closeDescriptor(master);
    throw error;
  }
}

/** Changes the size; the program is told with SIGWINCH. */
export function setTerminalSize(master: number, rows: number, columns: number): void {
  const size = new Uint16Array([rows, columns, 0, 0]); // struct winsize
  check("set the window size", libc().ioctl(master, TIOCSWINSZ, new Uint8Array(size.buffer)));
}
