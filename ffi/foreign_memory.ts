/**
 * Reading other processes' memory. See process_vm_readv(2).
 *
 * @module
 */
import { ARCH } from "./arch.ts";
import { rawSyscall } from "./libc.ts";
import { syscallNumber } from "./syscall_numbers.ts";

/** PATH_MAX of Linux, its NUL included. */
const PATH_BYTES = 4096;
const PAGE_BYTES = 4096;

const bytes = new Uint8Array(PATH_BYTES);
const local = new BigUint64Array(2); // struct iovec
const remote = new BigUint64Array(4); // two of them: what lies behind the end of a page may not be there

/**
 * Reads a NUL-terminated path.
 *
 * @param tid A thread that stands still.
 * @returns Null when it cannot be read, or is longer than any path.
 */
export function readPath(tid: number, address: bigint): string | null {
  if (address === 0n) return null;
  const here = Math.min(PATH_BYTES, PAGE_BYTES - Number(address % BigInt(PAGE_BYTES)));
  local[0] = pointerTo(bytes);
  local[1] = BigInt(PATH_BYTES);
  remote[0] = address;
  remote[1] = BigInt(here);
  remote[2] = address + BigInt(here);
  remote[3] = BigInt(PATH_BYTES - here);
  const count = here === PATH_BYTES ? 1 : 2;
  const number = syscallNumber("process_vm_readv", ARCH);
  const length = rawSyscall(number, tid, Number(pointerTo(local)), 1, Number(pointerTo(remote)), count, 0);
  const end = length <= 0 ? -1 : bytes.subarray(0, length).indexOf(0);
  return end < 0 ? null : new TextDecoder().decode(bytes.subarray(0, end));
}

function pointerTo(view: Uint8Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view));
}
