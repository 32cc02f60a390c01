/**
 * The two machines the syscall programs are written for.
 *
 * @module
 */

/** A machine by the name Deno gives it in `Deno.build.arch`. */
export type Arch = "x86_64" | "aarch64";

/** The machine this process runs on. */
export const ARCH: Arch = Deno.build.arch;
