import { Glob } from "./glob.ts";
import type { Need } from "./need.ts";
import type { Pattern } from "./pattern.ts";
import { programMatches } from "./program.ts";
import { PatternError } from "./syntax_error.ts";
import { BOUNDS } from "./vocabulary.ts";
import { formatGlobWord, splitWords } from "./words.ts";

/**
 * A pattern for commands: a prefix of the argv, word for word, so `git status` allows `git status -s` and
 * `git` allows all of git; `*` alone allows every command. Shell text is never looked at.
 */
export class ArgvPattern implements Pattern {
  readonly text: string;
  readonly all: boolean;
  /** One glob per word; none where {@linkcode ArgvPattern.all}. */
  readonly words: readonly Glob[];

  /** @throws {PatternError} If it is empty, a quote is open, or a word is no glob. */
  constructor(text: string) {
    const words = splitWords(text);
    if (words.length === 0) {
      throw new PatternError('a command is missing after the colon, write "*" for all', 0);
    }
    const globs = words.map(({ glob, at }) => {
      try {
        return new Glob(glob);
      } catch (error) {
        throw error instanceof PatternError ? new PatternError(error.message, at + error.at) : error;
      }
    });
    this.all = globs.length === 1 && globs[0]!.all;
    this.words = this.all ? [] : globs;
    this.text = globs.map((glob) => formatGlobWord(glob.text)).join(" ");
  }

  allows(need: Need): boolean {
    // What cannot be seen cannot be kept within limits.
    if (need.open && this.words.length > (need.argv?.length ?? 0)) return false;
    return this.#matches(need.argv, "system");
  }

  denies(need: Need): boolean {
    return this.#matches(need.argv, "anywhere", need.open);
  }

  covers(other: Pattern): boolean {
    if (!(other instanceof ArgvPattern)) return false;
    return this.all ||
      (!other.all && this.words.length <= other.words.length &&
        this.words.every((word, i) =>
          i === 0 ? word.text === other.words[0]!.text : word.covers(other.words[i]!)
        ));
  }

  spares(other: Pattern): boolean {
    if (!(other instanceof ArgvPattern) || this.all || other.all) return false;
    const plain = (glob: Glob) => !glob.text.includes("/");
    const length = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < length; i++) {
      const mine = this.words[i]!;
      const theirs = other.words[i]!;
      if ((i > 0 || (plain(mine) && plain(theirs))) && mine.disjoint(theirs)) return true;
    }
    return false;
  }

  #matches(argv: readonly string[] | undefined, reach: "system" | "anywhere", open = false): boolean {
    if (this.all) return true;
    if (argv === undefined || (argv.length < this.words.length && !open)) return false;
    const length = Math.min(this.words.length, argv.length);
    for (let i = 0; i < length; i++) {
      const word = this.words[i]!;
      if (i === 0 ? !programMatches(word, argv[0]!, reach) : !word.matches(argv[i]!)) return false;
    }
    return true;
  }
}

/** What is wrong with an argv, as a part of a sentence; null when it could be executed. */
export function argvFault(argv: readonly string[] | undefined): string | null {
  if (argv === undefined || argv.length === 0 || argv[0] === "") return "there is no program to run";
  if (argv.length > BOUNDS.argvItems) return `the command has more than ${BOUNDS.argvItems} words`;
  let chars = 0;
  for (const word of argv) {
    chars += word.length;
    if (word.includes("\0")) return "a word of the command holds a NUL";
  }
  return chars > BOUNDS.argvChars ? `the command is longer than ${BOUNDS.argvChars} characters` : null;
}
