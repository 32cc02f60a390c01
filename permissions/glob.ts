import { PatternError } from "./syntax_error.ts";
import { BOUNDS } from "./vocabulary.ts";

/** Counts the comparisons of a match, so that tests can hold the matcher to its promise. */
export interface Meter {
  /** Comparisons so far. */
  steps: number;
}

interface CharClass {
  readonly negated: boolean;
  /** Code points in pairs: first, last, first, last, … */
  readonly ranges: readonly number[];
}

const STAR = -1;
const ANY = -2;
/** A code point to be equal to, {@linkcode STAR}, {@linkcode ANY}, or a class. */
type Token = number | CharClass;

/**
 * A pattern for one piece of text: `*` any characters, `?` one, `[a-z]` one of a class, `[!a-z]` one outside it.
 * There is no escape character; a class of one, such as `[*]`, is the character itself.
 *
 * A match takes at most (text + 1) x (pattern + 1) comparisons: only the last `*` is ever tried again, since
 * whatever an earlier one could take, the last one can take as well.
 */
export class Glob {
  /** The pattern as written. */
  readonly text: string;
  /** The one text it matches, where there is only one. */
  readonly literal: string | null;
  readonly #tokens: readonly Token[];

  /** @throws {PatternError} If the pattern is too long or a class is not closed. */
  constructor(text: string) {
    if (text.length > BOUNDS.patternChars) {
      throw new PatternError(
        `the pattern is longer than ${BOUNDS.patternChars} characters`,
        BOUNDS.patternChars,
      );
    }
    this.text = text;
    this.#tokens = tokenize(text);
    this.literal = this.#tokens.every((token) => typeof token === "number" && token >= 0)
      ? String.fromCodePoint(...this.#tokens as number[])
      : null;
  }

  /** Whether it matches every text. */
  get all(): boolean {
    return this.#tokens.length === 1 && this.#tokens[0] === STAR;
  }

  /** Splits `lit*`, `*lit*` and the like into the literal and where stars are; null for other shapes. */
  affix(): { readonly before: boolean; readonly literal: string; readonly after: boolean } | null {
    const tokens = this.#tokens;
    const before = tokens[0] === STAR;
    const after = tokens.length > 1 && tokens.at(-1) === STAR;
    const middle = tokens.slice(before ? 1 : 0, after ? -1 : undefined);
    if (middle.length === 0 || middle.some((token) => typeof token !== "number" || token < 0)) return null;
    return { before, literal: String.fromCodePoint(...middle as number[]), after };
  }

  /** Whether the whole text matches. */
  matches(text: string, meter?: Meter): boolean {
    if (this.literal !== null) return text === this.literal;
    const tokens = this.#tokens;
    let i = 0;
    let t = 0;
    let afterStar = -1;
    let retry = 0;
    while (i < text.length) {
      if (meter !== undefined) meter.steps++;
      const token = tokens[t];
      if (token === STAR) {
        afterStar = ++t;
        retry = i;
        continue;
      }
      if (token !== undefined) {
        const point = text.codePointAt(i)!;
        if (fits(token, point)) {
          i += point > 0xffff ? 2 : 1;
          t++;
          continue;
        }
      }
      if (afterStar < 0) return false;
      t = afterStar;
      retry += text.codePointAt(retry)! > 0xffff ? 2 : 1;
      i = retry;
    }
    while (tokens[t] === STAR) t++;
    return t === tokens.length;
  }

  /** Whether this certainly matches everything the other does; false where it is not obvious. */
  covers(other: Glob): boolean {
    if (this.all || this.text === other.text) return true;
    if (other.literal !== null) return this.matches(other.literal);
    // `lit*` takes whatever begins with `lit`, whatever the other does after that.
    const affix = this.affix();
    return affix !== null && !affix.before && affix.after && other.#beginsWith(affix.literal);
  }

  /** Whether certainly no text matches both; false where it is not obvious. */
  disjoint(other: Glob): boolean {
    if (this.literal !== null) return !other.matches(this.literal);
    if (other.literal !== null) return !this.matches(other.literal);
    const length = Math.min(this.#tokens.length, other.#tokens.length);
    for (let i = 0; i < length; i++) {
      const mine = this.#tokens[i]!;
      const theirs = other.#tokens[i]!;
      if (typeof mine !== "number" || typeof theirs !== "number" || mine < 0 || theirs < 0) return false;
      if (mine !== theirs) return true;
    }
    return false;
  }

  #beginsWith(prefix: string): boolean {
    let t = 0;
    for (const char of prefix) {
      if (this.#tokens[t++] !== char.codePointAt(0)) return false;
    }
    return true;
  }
}

/** Writes a text so that it matches itself only. */
export function globEscape(text: string): string {
  return text.replace(/[*?[]/g, "[$&]");
}

function fits(token: Token, point: number): boolean {
  if (typeof token === "number") return token === ANY || token === point;
  for (let i = 0; i < token.ranges.length; i += 2) {
    if (point >= token.ranges[i]! && point <= token.ranges[i + 1]!) return !token.negated;
  }
  return token.negated;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const point = text.codePointAt(i)!;
    if (point === 0x2a) {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
      i++;
    } else if (point === 0x3f) {
      tokens.push(ANY);
      i++;
    } else if (point === 0x5b) {
      const [token, next] = readClass(text, i);
      tokens.push(token);
      i = next;
    } else {
      tokens.push(point);
      i += point > 0xffff ? 2 : 1;
    }
  }
  return tokens;
}

function readClass(text: string, open: number): [Token, number] {
  let i = open + 1;
  const negated = text[i] === "!" || text[i] === "^";
  if (negated) i++;
  const ranges: number[] = [];
  // A closing bracket that comes first is a member, as in glob(7).
  for (let first = true; first || text[i] !== "]"; first = false) {
    const from = text.codePointAt(i);
    if (from === undefined) {
      throw new PatternError(
        `"[" opens a class that "]" never closes, write [[] for the character itself`,
        open,
      );
    }
    i += from > 0xffff ? 2 : 1;
    let to = from;
    if (text[i] === "-" && text[i + 1] !== undefined && text[i + 1] !== "]") {
      to = text.codePointAt(i + 1)!;
      if (to < from) throw new PatternError("the range of a class runs backwards", i - 1);
      i += to > 0xffff ? 3 : 2;
    }
    ranges.push(from, to);
  }
  const single = !negated && ranges.length === 2 && ranges[0] === ranges[1];
  return [single ? ranges[0]! : { negated, ranges }, i + 1];
}
