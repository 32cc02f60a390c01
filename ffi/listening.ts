/**
 * A listening TCP socket on loopback, by its raw number. See ip(7).
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import { closeDescriptor } from "./descriptors.ts";
import type { Chain } from "./program.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const BACKLOG = 128;
const ADDRESS_BYTES = 16;

/** `struct sockaddr_in` of 127.0.0.1 and a port. */
function loopback(port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port); // network order
  address.set([127, 0, 0, 1], 4);
  return address;
}

/**
 * Listens on 127.0.0.1 in the network this thread is in. The descriptor is the caller's.
 *
 * @param port 0 lets the machine choose.
 * @throws {LibcError} `EADDRINUSE`.
 */
export function listenOnLoopback(port: number): number {
  const fd = check("make a socket", libc().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    check(`bind 127.0.0.1:${port}`, libc().bind(fd, loopback(port), ADDRESS_BYTES));
    check(`listen on 127.0.0.1:${port}`, libc().listen(fd, BACKLOG));
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** The same as steps of a program; the socket's number is going to be `fd`. */
export function listenInProgram(chain: Chain, fd: number, port: number): void {
  const address = chain.program.arena.bytes(loopback(port));
  chain.add("make a socket", "socket", [AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0]);
  chain.add(`bind 127.0.0.1:${port}`, "bind", [fd, address, ADDRESS_BYTES]);
  chain.add(`listen on 127.0.0.1:${port}`, "listen", [fd, BACKLOG]);
}
