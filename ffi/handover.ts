/**
 * Descriptors that travel over a Unix socket. See unix(7), SCM_RIGHTS.
 *
 * @module
 */
import { errno, libc } from "./libc.ts";
import { LibcError } from "./errno.ts";
import type { Chain } from "./program.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EAGAIN = 11;
const MESSAGE_HEADER_BYTES = 56; // struct msghdr
const CONTROL_HEADER_BYTES = 16; // struct cmsghdr

/** Sends descriptors of a program over its socket `through`; one byte goes with them. */
export function sendDescriptors(chain: Chain, through: number, descriptors: readonly number[]): void {
  const { arena } = chain.program;
  const byte = arena.string("d");
  const parts = arena.words([byte, 1]);
  const length = CONTROL_HEADER_BYTES + 4 * descriptors.length;
  const control = arena.allocate(Math.ceil(length / 8) * 8);
  arena.setWord(control, length);
  arena.setInt(control + 8, SOL_SOCKET);
  arena.setInt(control + 12, SCM_RIGHTS);
  for (const [i, fd] of descriptors.entries()) arena.setInt(control + CONTROL_HEADER_BYTES + 4 * i, fd);
  const message = arena.words([0, 0, parts, 1, control, length, 0]);
  chain.add("hand descriptors over", "sendmsg", [through, message, 0]);
}

/**
 * Takes descriptors off a socket, without waiting. They are close-on-exec and the caller's.
 *
 * @param most No more than these are taken; more are closed by the machine.
 * @returns None when none are there yet, or the other end is gone.
 */
export function receiveDescriptors(fd: number, most: number): readonly number[] {
  const byte = new Uint8Array(1);
  const parts = new BigUint64Array([address(byte), 1n]);
  const control = new Uint8Array(Math.ceil((CONTROL_HEADER_BYTES + 4 * most) / 8) * 8);
  const message = new BigUint64Array(MESSAGE_HEADER_BYTES / 8);
  message[2] = address(parts);
  message[3] = 1n;
  message[4] = address(control);
  message[5] = BigInt(control.length);
  const bytes = new Uint8Array(message.buffer);
  const received = Number(libc().recvmsg(fd, bytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (received < 0) {
    const number = errno();
    if (number === EAGAIN) return [];
    throw new LibcError("receive descriptors", number);
  }
  const view = new DataView(control.buffer);
  const length = Number(message[5]) === 0 ? 0 : Number(view.getBigUint64(0, true));
  if (length < CONTROL_HEADER_BYTES || view.getInt32(12, true) !== SCM_RIGHTS) return [];
  const count = (length - CONTROL_HEADER_BYTES) / 4;
  return Array.from({ length: count }, (_, i) => view.getInt32(CONTROL_HEADER_BYTES + 4 * i, true));
}

function address(view: BufferSource & ArrayBufferView<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view));
}
