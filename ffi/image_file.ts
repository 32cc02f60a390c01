/**
 * Gives an image a path that can be executed: a sealed file in memory, or an ordinary file where the machine forbids
 * executing those (`vm.memfd_noexec`, a policy against them).
 *
 * @module
 */
import { LibcError } from "./errno.ts";
import { check, cString, libc } from "./libc.ts";
import { closeDescriptor } from "./descriptors.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_EXEC = 0x10;
const F_ADD_SEALS = 1033;
const ALL_SEALS = 0xf; // no more seals, no shrinking, no growing, no writing

const NAME = cString("clove-launch");

/** An executable image. Close it once the program has been started. */
export interface ImageFile extends Disposable {
  /** Path to execute. */
  readonly path: string;
}

/** Puts an image into a sealed memory file. Null where the machine does not have executable ones. */
export function memoryImage(image: Uint8Array<ArrayBuffer>): ImageFile | null {
  let fd = libc().memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  // Before Linux 6.3 the flag for "executable" is unknown, and the file is executable anyway.
  if (fd < 0) fd = libc().memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return null;
  try {
    const written = Number(libc().write(fd, image, BigInt(image.length)));
    if (written !== image.length) throw new LibcError(`write an image of ${image.length} bytes`, 28);
    check("seal an image", libc().fcntl(fd, F_ADD_SEALS, BigInt(ALL_SEALS)));
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  return { path: `/proc/self/fd/${fd}`, [Symbol.dispose]: () => closeDescriptor(fd) };
}

/**
 * Writes an image to a fresh file that only this user can execute.
 *
 * @param directory An absolute directory of ours, on a file system without `noexec`.
 */
export function diskImage(image: Uint8Array<ArrayBuffer>, directory: string): ImageFile {
  const path = `${directory}/launch-${crypto.randomUUID()}`;
  Deno.writeFileSync(path, image, { createNew: true, mode: 0o700 });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}
