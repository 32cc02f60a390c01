/**
 * V8 as a kernel needs it. By itself it lets its heap grow with the load and keeps it: 180 MiB resident after a few
 * hundred thousand requests, of which 16 MiB are live objects. Its flags are read before the first line of a program
 * runs, so the program starts itself anew with them, in the same process; that takes about 50 ms.
 *
 * @module
 */
import { ffiObstacle } from "../ffi/libc.ts";
import { ownWords, startAnew } from "../ffi/replace.ts";
import type { Log } from "./log.ts";

/** Where Deno takes flags for V8 from, beside its command line. */
const VARIABLE = "DENO_V8_FLAGS";

/**
 * Young objects get at most 4 MiB at a time instead of 16, and the old ones' space may double before it is collected;
 * less of either makes STORE, whose objects live for as long as a commit, a fifth more expensive. And the collector can
 * be called.
 */
const FLAGS = "--max-semi-space-size=4,--heap-growing-percent=100,--expose-gc";

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
 *
 * @returns Collects all garbage at once and shrinks the heap; null without the flags.
 */
export function ensureV8Flags(log: Pick<Log, "warn">): (() => void) | null {
  const flags = Deno.env.get(VARIABLE);
  if (flags === FLAGS) {
    // What this process was started with is nothing for the programs it starts.
    Deno.env.delete(VARIABLE);
    const { gc } = globalThis as { gc?: (options: { type: "major"; flavor: "last-resort" }) => void };
    // The plain flavour leaves the young objects' space as large as it has become, and raw buffers for the next time.
    return gc ? () => gc({ type: "major", flavor: "last-resort" }) : null;
  }
  if (ffiObstacle() !== null) return null;
  const words = ownWords();
  const decoder = new TextDecoder();
  const texts = words.map((word) => decoder.decode(word));
  if (!wantsFlags({ v8: Deno.version.v8, words: texts, flags })) return null;
  Deno.env.set(VARIABLE, FLAGS);
  try {
    startAnew(words);
  } catch (error) {
    Deno.env.delete(VARIABLE);
    log.warn("the kernel goes on with V8's own limits and will take more memory", { cause: error });
    return null;
  }
}
