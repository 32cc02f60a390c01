/**
 * Scripts that name their interpreter in their first line.
 *
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";

/** Linux looks at no more of a file. See execve(2), BINPRM_BUF_SIZE. */
const LINE_BYTES = 256;

/** The interpreter of a script; null for any other file, and for one that cannot be read. */
export function interpreterOf(path: string): string | null {
  const head = new Uint8Array(LINE_BYTES);
  let length: number;
  try {
    const file = openSync(path, "r");
    try {
      length = readSync(file, head, 0, LINE_BYTES, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    // Whoever executes it will say what is wrong with it.
    if ((error as { code?: string }).code) return null;
    throw error;
  }
  const [line = ""] = new TextDecoder("latin1").decode(head.subarray(0, length)).split("\n", 1);
  return /^#![ \t]*(\/[^ \t]+)/.exec(line)?.[1] ?? null;
}
