/**
 * Keeps a child from inheriting descriptors that were opened without close-on-exec. `node:net` listens on Unix
 * sockets that way (seen with Deno 2.9.6), so without this every child of the kernel would hold its main socket.
 *
 * @module
 */

/** `CLOSE_RANGE_CLOEXEC` of linux/close_range.h: mark instead of close. Linux 5.11, glibc 2.34. */
const CLOSE_RANGE_CLOEXEC = 4;

/** int close_range(unsigned int first, unsigned int last, int flags). See close_range(2). */
const SYMBOLS = {
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32" },
} as const;

let mark: (() => boolean) | null = null;

/**
 * Marks every descriptor of this process above 2 close-on-exec; about 4 us. Descriptors that a child is meant to
 * get are passed by `dup2`, which clears the mark.
 *
 * @returns False where it cannot be done: no `--allow-ffi`, no Linux, or a libc without close_range.
 */
export function markCloseOnExec(): boolean {
  mark ??= open();
  return mark();
}

function open(): () => boolean {
  if (Deno.build.os !== "linux") return () => false;
  try {
    const { symbols } = Deno.dlopen("libc.so.6", SYMBOLS);
    return () => symbols.close_range(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC) === 0;
  } catch (error) {
    // NotCapable is a missing --allow-ffi; a plain Error a missing library or symbol. Both mean: not here.
    if (error instanceof Deno.errors.NotCapable || error instanceof Error) return () => false;
    throw error;
  }
}
