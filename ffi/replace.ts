/**
 * Starts the program of this process anew, in the same process. See execv(3).
 *
 * @module
 */
import { LibcError } from "./errno.ts";
import { cString, errno, libc } from "./libc.ts";

/** The words this process was started with, each with the zero byte that ends it. */
export function ownWords(): readonly Uint8Array<ArrayBuffer>[] {
  const bytes = Deno.readFileSync("/proc/self/cmdline");
  const words: Uint8Array<ArrayBuffer>[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from) + 1 || bytes.length;
    words.push(bytes.slice(from, end));
    from = end;
  }
  return words;
}

/**
 * Replaces this process by a fresh start of its own program: the process id, the environment as it is now, the working
 * directory and the descriptors that are not close-on-exec stay; nothing else does. Returns only by throwing.
 *
 * @param words Its arguments, as {@link ownWords} gives them.
 * @throws {LibcError} With the code of execve(2); then nothing has happened.
 */
export function startAnew(words: readonly Uint8Array<ArrayBuffer>[]): never {
  const argv = new BigUint64Array(words.length + 1);
  words.forEach((word, i) => argv[i] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(word)));
  libc().execv(cString("/proc/self/exe"), new Uint8Array(argv.buffer));
  throw new LibcError("execute /proc/self/exe", errno());
}
