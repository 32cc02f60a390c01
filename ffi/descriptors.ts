/**
 * Descriptors by their raw numbers: pipes, socket pairs, files. All are close-on-exec.
 *
 * @module
 */
import { check, cString, libc } from "./libc.ts";

const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = 0o200000;
const O_PATH = 0o10000000;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

const pair = new Int32Array(2);
const pairBytes = new Uint8Array(pair.buffer);

/** A pipe's two ends. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/**
 * Makes a pipe.
 *
 * @throws {LibcError} `EMFILE` and `ENFILE` when descriptors run out.
 */
export function pipe(): Pipe {
  check("pipe2", libc().pipe2(pairBytes, O_CLOEXEC));
  return { read: pair[0]!, write: pair[1]! };
}

/**
 * Makes two connected Unix stream sockets.
 *
 * @throws {LibcError} `EMFILE` and `ENFILE` when descriptors run out.
 */
export function socketPair(): readonly [number, number] {
  check("socketpair", libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairBytes));
  return [pair[0]!, pair[1]!];
}

/** How {@link openDescriptor} opens. */
export type OpenMode = "read" | "read-write" | "directory" | "path";

const FLAGS: Readonly<Record<OpenMode, number>> = {
  "read": 0,
  "read-write": 2,
  "directory": O_DIRECTORY,
  "path": O_PATH,
};

/**
 * Opens a path without creating it.
 *
 * @throws {LibcError} With the code of open(2).
 */
export function openDescriptor(path: string, mode: OpenMode): number {
  return check(`open ${JSON.stringify(path)}`, libc().open(cString(path), FLAGS[mode] | O_CLOEXEC, 0));
}

/** Closes a descriptor. One that is closed already is a mistake of ours, and said. */
export function closeDescriptor(fd: number): void {
  check(`close ${fd}`, libc().close(fd));
}
