/**
 * Who is at the other end of a Unix socket. See unix(7), SO_PEERCRED and SO_PEERPIDFD.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;

/** The process that connected, as it was when it did. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const value = new Int32Array(3);
const valueBytes = new Uint8Array(value.buffer);
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);

/**
 * Credentials of the peer of a connected Unix socket.
 *
 * @param fd Its raw descriptor; of a `node:net` socket it is `socket._handle.fd`.
 * @throws {LibcError} `ENOTSOCK`, `EBADF` for what is no socket.
 */
export function peerCredentials(fd: number): PeerCredentials {
  length[0] = value.byteLength;
  check(
    "read the peer's credentials",
    libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, valueBytes, lengthBytes),
  );
  return { pid: value[0]!, uid: value[1]! >>> 0, gid: value[2]! >>> 0 };
}

/**
 * A descriptor of the peer's process, to be closed by the caller: unlike a number it cannot become somebody else.
 *
 * @throws {LibcError} `ENOPROTOOPT` before Linux 6.5, `ESRCH` or `EINVAL` when the peer has ended.
 */
export function peerPidfd(fd: number): number {
  length[0] = 4;
  check("open the peer's pidfd", libc().getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, valueBytes, lengthBytes));
  return value[0]!;
}
