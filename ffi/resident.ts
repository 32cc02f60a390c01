/**
 * Memory that this process holds without using it, given back to the system.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const MADV_DONTNEED = 4;

/** Gives back what the allocator keeps free; a millisecond or less. See malloc_trim(3). */
export function trimAllocator(): void {
  libc().malloc_trim(0n);
}

/** A mapping of a file: where it begins, and its bytes. */
export interface Mapping {
  readonly address: number;
  readonly size: number;
}

/**
 * The mappings of one file that hold nothing but the file: not writable, and without a page that was changed before it
 * became so, as relocation leaves them. Dropping such pages loses nothing: the next use reads them again. Pure.
 *
 * @param smaps The text of `/proc/PID/smaps`. See proc_pid_smaps(5).
 * @param path The file, as that text has it.
 */
export function cleanMappings(smaps: string, path: string): readonly Mapping[] {
  const header = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ \d+ +(\/.*)$/gm;
  const anonymous = /^Anonymous: +(\d+) kB$/gm;
  const found: Mapping[] = [];
  for (let match = header.exec(smaps); match; match = header.exec(smaps)) {
    if (match[3] !== path) continue;
    anonymous.lastIndex = header.lastIndex;
    if (anonymous.exec(smaps)?.[1] !== "0") continue;
    const address = Number.parseInt(match[1]!, 16);
    found.push({ address, size: Number.parseInt(match[2]!, 16) - address });
  }
  return found;
}

/**
 * Drops the pages of Deno's own program from this process, of which most serve its start only; those in use come back
 * by page faults from the page cache. About 5 ms, most of it for reading smaps.
 *
 * Only the program itself: it stays mapped for as long as the process lives, so that no other thread can put something
 * else at its addresses between the look and the act.
 *
 * @throws {LibcError} With the code of madvise(2).
 */
export function dropProgramPages(): void {
  const path = Deno.readLinkSync("/proc/self/exe");
  for (const { address, size } of cleanMappings(Deno.readTextFileSync("/proc/self/smaps"), path)) {
    check(
      `drop ${size} bytes of ${JSON.stringify(path)}`,
      libc().madvise(BigInt(address), BigInt(size), MADV_DONTNEED),
    );
  }
}
