/**
 * V8 as a kernel needs it. By itself it lets its heap grow with the load and keeps it: 165 MiB after an hour's requests
 * whose live objects are 16 MiB. Its flags are read before the first line of a program runs, so the program starts
 * itself anew with them, in the same process.
 *
 * @module
 */
import { ffiObstacle } from "../ffi/libc.ts";
import { ownWords, startAnew } from "../ffi/replace.ts";
import type { Log } from "./log.ts";

/** Where Deno takes flags for V8 from, beside its command line. */
const VARIABLE = "DENO_V8_FLAGS";

/**
 * Young objects get two times 1 MiB instead of 16, and the old ones' space grows by a fifth before it is collected.
 * Requests leave little behind, so neither was slower in paired runs of bench/.
 */
const FLAGS = "--max-semi-space-size=1,--heap-growing-percent=20";

/** Deno ends when V8 does not know a flag: only where they were seen to work. */
const KNOWN_V8 = /^15\./;

/** What is known of this process. */
export interface ProcessFacts {
  /** `Deno.version.v8`. */
  readonly v8: string;
  /** Its command line. */
  readonly words: readonly string[];
  /** `DENO_V8_FLAGS`, if set. */
  readonly flags: string | undefined;
}

/** True when starting anew brings flags and overrules nobody: who chose flags, or debugs, keeps what there is. Pure. */
export function wantsFlags({ v8, words, flags }: ProcessFacts): boolean {
  return flags === undefined && KNOWN_V8.test(v8) &&
    !words.some((word) => /^--(?:v8-flags|inspect|watch)/.test(word));
}

/**
 * Starts this process anew with V8's flags set, unless it has them, cannot have them, or was given others. Only for a
 * process that is the kernel's alone, before anything was opened.
 */
export function ensureV8Flags(log: Pick<Log, "warn">): void {
  const flags = Deno.env.get(VARIABLE);
  // What this process was started with is nothing for the programs it starts.
  if (flags === FLAGS) return Deno.env.delete(VARIABLE);
  if (ffiObstacle() !== null) return;
  const words = ownWords();
  const decoder = new TextDecoder();
  const texts = words.map((word) => decoder.decode(word));
  if (!wantsFlags({ v8: Deno.version.v8, words: texts, flags })) return;
  Deno.env.set(VARIABLE, FLAGS);
  try {
    startAnew(words);
  } catch (error) {
    Deno.env.delete(VARIABLE);
    log.warn("the kernel goes on with V8's own limits and will take more memory", { cause: error });
  }
}
