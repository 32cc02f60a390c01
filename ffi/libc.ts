/**
 * libc, opened when it is first used and never elsewhere than on Linux.
 *
 * Importing this module opens nothing: a kernel on another system, or one started without `--allow-ffi`, works with
 * what is left.
 *
 * @module
 */
import { LibcError } from "./errno.ts";
import { SYMBOLS } from "./symbols.ts";

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

let library: Library | undefined;
let errnoView: Deno.UnsafePointerView | undefined;

/** Why libc cannot be used here, in words, or null when nothing stands against it. Asks nobody. */
export function ffiObstacle(): string | null {
  if (Deno.build.os !== "linux") return `libc is called on Linux only, this is ${Deno.build.os}`;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return "Deno was started without --allow-ffi";
  }
  return null;
}

/**
 * The functions of libc.
 *
 * @throws {LibcError} When libc cannot be opened; the message says why.
 */
export function libc(): Library["symbols"] {
  if (library) return library.symbols;
  const obstacle = ffiObstacle();
  if (obstacle !== null) throw new Error(`Cannot open libc: ${obstacle}`);
  library = Deno.dlopen("libc.so.6", SYMBOLS);
  return library.symbols;
}

/** errno of the call that was made last on this thread. */
export function errno(): number {
  if (!errnoView) {
    const pointer = libc().__errno_location();
    if (pointer === null) throw new Error("Cannot read errno: libc returned no address for it");
    errnoView = new Deno.UnsafePointerView(pointer);
  }
  return errnoView.getInt32();
}

/**
 * Passes a result on, or throws what errno says.
 *
 * @throws {LibcError} If the result is negative.
 */
export function check(call: string, result: number): number {
  if (result < 0) throw new LibcError(call, errno());
  return result;
}

/** A NUL-terminated string. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new RangeError(`Cannot pass ${JSON.stringify(text)}: it contains a NUL byte`);
  }
  return new TextEncoder().encode(text + "\0");
}

/** A system call by number, without a libc wrapper; negative is the error. */
export function rawSyscall(number: number, ...args: readonly number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  const word = (value: number): bigint => BigInt(value);
  const result = Number(
    libc().syscall(word(number), word(a), word(b), word(c), word(d), word(e), word(f)),
  );
  return result < 0 ? -errno() : result;
}
