/**
 * What a run was seen to use, with how often.
 *
 * @module
 */
import type { Need } from "../../permissions/mod.ts";

/** How a file or directory was used. */
export type FileUse = "read" | "list" | "write" | "run" | "see";

/** One thing that was used. */
export interface Seen {
  count: number;
  /** A few words on what was done, each once. */
  readonly examples: string[];
}

/** One file or directory, used in one way. */
export interface SeenFile extends Seen {
  readonly use: FileUse;
  readonly path: string;
  /** All below it is meant: something was made, exchanged or removed there. */
  below: boolean;
}

/** An act that the kernel weighed, in all the ways it was done. */
export interface SeenNeed extends Seen {
  readonly need: Need;
}

/** Ways of one kind that are told apart; what comes beyond is counted as the last. */
const MOST_SEEN = 20_000;
/** Examples kept of each. */
const MOST_EXAMPLES = 3;
const EXAMPLE_CHARS = 200;

/** Collects. Bounded: a program that uses ever new names ends up with the first ones. */
export class Evidence {
  readonly #files = new Map<string, SeenFile>();
  readonly #needs = new Map<string, SeenNeed>();
  readonly #unseen = new Map<string, Seen>();
  #dropped = 0;

  /** Uses of files by native programs. */
  get files(): Iterable<SeenFile> {
    return this.#files.values();
  }

  /** Acts that the kernel weighed and allowed. */
  get needs(): Iterable<SeenNeed> {
    return this.#needs.values();
  }

  /** Files that were looked for in vain and that the host has. */
  get unseen(): Iterable<readonly [string, Seen]> {
    return this.#unseen;
  }

  /** Uses that were not kept, because there were too many different ones. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param example Such as `openat /work/a`. */
  addFile(use: FileUse, path: string, below: boolean, example: string): void {
    const seen = this.#count(this.#files, `${use} ${path}`, example, (): SeenFile => {
      return { use, path, below, count: 0, examples: [] };
    });
    if (seen !== null && below) seen.below = true;
  }

  /** @param text What it is told apart by. */
  addNeed(text: string, need: Need, example: string): void {
    this.#count(this.#needs, text, example, () => ({ need, count: 0, examples: [] }));
  }

  addUnseen(path: string, example: string): void {
    this.#count(this.#unseen, path, example, () => ({ count: 0, examples: [] }));
  }

  #count<T extends Seen>(into: Map<string, T>, key: string, example: string, make: () => T): T | null {
    let seen = into.get(key);
    if (seen === undefined) {
      if (into.size >= MOST_SEEN) {
        this.#dropped++;
        return null;
      }
      into.set(key, seen = make());
    }
    seen.count++;
    addExamples(seen, [example]);
    return seen;
  }
}

/** Adds examples that are not there yet, as long as there is room. */
export function addExamples(seen: Seen, examples: readonly string[]): void {
  for (const example of examples) {
    const text = example.length > EXAMPLE_CHARS ? `${example.slice(0, EXAMPLE_CHARS)}…` : example;
    if (seen.examples.length < MOST_EXAMPLES && !seen.examples.includes(text)) seen.examples.push(text);
  }
}
